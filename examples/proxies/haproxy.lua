-- Asks Countersign whether a request may pass. The argument of the action is the policy.
local countersign = "http://127.0.0.1:3008/v1/forward-auth/"
local asked_about = { "token", "authorization", "content-type", "origin", "access-control-request-method" }
local identity = {
    "x-auth-account", "x-auth-session", "x-auth-username", "x-auth-email", "x-auth-firm", "x-auth-role",
}

local function values(header)
    local list = {}
    -- HAProxy counts from 0.
    for index = 0, #header do
        list[#list + 1] = header[index]
    end
    return list
end

core.register_action("countersign", { "http-req" }, function(txn, policy)
    local sent, headers = txn.http:req_get_headers(), {}
    for _, name in ipairs(asked_about) do
        if sent[name] then
            headers[name] = values(sent[name])
        end
    end
    headers["x-forwarded-for"] = { txn.sf:src() }
    headers["x-forwarded-method"] = { txn.sf:method() }
    local answer = core.httpclient():get { url = countersign .. policy, headers = headers, timeout = 1000 }
    local function first(name)
        local header = answer.headers and answer.headers[name]
        return header and values(header)[1]
    end
    if answer.status == 204 then
        for _, name in ipairs(identity) do
            txn.http:req_set_header(name, first(name) or "")
        end
        txn.http:req_del_header("token")
        local authorization = sent["authorization"] and sent["authorization"][0] or ""
        if authorization:lower():match("^bearer") then
            txn.http:req_del_header("authorization")
        end
        if first("token") then
            txn:set_var("txn.fresh_token", first("token"))
        end
        txn:set_var("txn.countersign", "passed")
        return
    end
    -- Without an answer the status is 0: try again.
    local refused = answer.status and answer.status >= 400
    local reply = txn:reply { status = refused and answer.status or 503, body = refused and answer.body or "" }
    for _, name in ipairs { "content-type", "www-authenticate", "cache-control", "retry-after" } do
        if refused and first(name) then
            reply:add_header(name, first(name))
        end
    end
    txn:done(reply)
end, 1)
