// The page. It calls two services through Envoy, and keeps the newest token that an answer has.

const api = new URLSearchParams(location.search).get("api");
let newest = null;

/** Sends a request with the newest token, or with another one, and keeps the fresh token of the answer. */
async function send(method, path, { body, headers = {}, token = newest } = {}) {
  const answer = await fetch(api + path, { method, body, headers: token ? { ...headers, token } : headers });
  const fresh = answer.headers.get("Token");
  if (fresh && token === newest) newest = fresh;
  return { answer, fresh };
}

/** Asks the service over HTTP. */
async function http(token) {
  const { answer, fresh } = await send("GET", "/accounts", { token });
  return { status: answer.status, data: await answer.json(), fresh };
}

/** The message of a gRPC-Web body, and the status in its trailers. */
function read(bytes) {
  const found = {};
  for (let at = 0; at < bytes.length; ) {
    const length = new DataView(bytes.buffer).getUint32(at + 1);
    const part = bytes.subarray(at + 5, at + 5 + length);
    if (bytes[at] & 0x80) found.status = new TextDecoder().decode(part).match(/grpc-status: *(\d+)/)?.[1];
    else found.message = part;
    at += 5 + length;
  }
  return found;
}

/** The text of a message whose only field is the text. */
function text(message) {
  let at = 1;
  while (message[at] & 0x80) at += 1;
  return new TextDecoder().decode(message.subarray(at + 1));
}

/** Asks the service over gRPC, by gRPC-Web. A refusal has its status in the head. */
async function grpc(token) {
  const headers = { "content-type": "application/grpc-web+proto", "x-grpc-web": "1" };
  const { answer, fresh } = await send("POST", "/neighbours.WhoAmI/Ask", { body: new Uint8Array(5), headers, token });
  const { message, status = answer.headers.get("grpc-status") } = read(new Uint8Array(await answer.arrayBuffer()));
  return { status, identity: message && JSON.parse(text(message)), reason: answer.headers.get("grpc-message"), fresh };
}

async function signIn(username, password) {
  const headers = { "content-type": "application/json" };
  const { answer } = await send("POST", "/api/auth/login", { body: JSON.stringify({ username, password }), headers });
  const { token } = await answer.json();
  if (token) newest = token;
  return { status: answer.status, token };
}

async function signOut() {
  const { answer } = await send("POST", "/auth/logout");
  return answer.status;
}

window.client = { http, grpc, signIn, signOut };
