//! Differences about the rule of a request, and about the parts of a URL that become fields.

use prost_reflect::Kind;

use super::Difference;

pub const LIST: &[Difference] = &[
    Difference {
        name: "a literal comes before a variable, whatever comes first in the proto",
        because: "http.proto does not say; the gateway takes the rule that is declared last, which makes the order of RPCs a \
                  part of the contract",
        applies: |case| {
            case.statuses(200, 200)
                && (case.ours.header("token"), case.gateway.header("token"))
                    == (Some("SpotLiteral"), Some("SpotVariable"))
        },
    },
    Difference {
        name: "an empty segment is no segment",
        because: "http.proto: `*` matches a single URL path segment; a resource without a name is none. The gateway takes \
                  `/v1/texts/` for the text that is empty",
        applies: |case| {
            let path = case.asked.path();
            (path.contains("//") || path.ends_with('/') || path.contains("/:"))
                && case.ours.status == 404
                && case.ours.message().starts_with("there is nothing")
                // The status is another one, or the RPC itself returned it.
                && (case.gateway.status != 404 || case.gateway.value().is_some_and(|it| it.get("details").is_some()))
        },
    },
    Difference {
        name: "a verb may follow a `**` of no segments",
        because: "http.proto: `**` matches zero or more segments and may be followed by a verb; the gateway wants text before \
                  the colon",
        applies: |case| {
            case.statuses(200, 200)
                && case.asked.path().ends_with("/:verify")
                && (case.ours.header("token"), case.gateway.header("token")) == (Some("Verbs"), Some("Templates"))
        },
    },
    Difference {
        name: "`drive/**` of no further segments is `drive`",
        because: "http.proto: the variable matches a part of the path, and there is no slash behind it in this one",
        applies: |case| case.statuses(200, 200) && case.asked.path() == "/v1/drives/drive",
    },
    Difference {
        name: "an encoded slash stays encoded in every variable of several segments",
        because: "http.proto: `If a variable contains multiple path segments, such as {var=foo/*} … \"%2F\" and \"%2f\" are left \
                  unchanged`; the gateway decodes it in the `*` of such a variable",
        applies: |case| {
            let is_such =
                ["/v1/shelves/", "/v1/middle/", "/top/"].iter().any(|path| case.asked.path().starts_with(path));
            let restored = |text: String| text.replace("%2F", "/").replace("%2f", "/");
            let ours = restored(String::from_utf8_lossy(&case.ours.body).replace(' ', ""));
            let gateway = restored(String::from_utf8_lossy(&case.gateway.body).replace(' ', ""));
            is_such && case.statuses(200, 200) && case.asked.path().to_uppercase().contains("%2F") && ours == gateway
        },
    },
    Difference {
        name: "a rule of the kind `*` is of every method",
        because: "http.proto: `\"*\" to leave the HTTP method unspecified for this rule`; the gateway takes it for the method's \
                  name",
        applies: |case| {
            case.has_other_methods_only() && case.ours.status == 200 && case.ours.header("token") == Some("AnyMethod")
        },
    },
    Difference {
        name: "a query parameter that is no field is refused",
        because: "as an unknown field in JSON is: a typing error must not change what a call does without a word. The gateway \
                  ignores it",
        applies: |case| {
            // The gateway ignores the parameter and calls the RPC, with any result.
            case.we_refuse("is unknown")
                && case.parameters().iter().any(|(name, _)| case.fields(name).is_none() && !name.contains('['))
        },
    },
    Difference {
        name: "a query parameter for what is in the path or in the body is refused",
        because: "http.proto: only what is bound by neither becomes a parameter; with `body: \"*\"` nothing does. The gateway \
                  ignores it",
        applies: |case| case.we_refuse("is no query parameter of this path") && !case.parameters().is_empty(),
    },
    Difference {
        name: "a map is no query parameter",
        because: "http.proto: a parameter has `a primitive type or a repeated primitive type or a non-repeated message type`; \
                  `labels[a]=b` is the gateway's own",
        applies: |case| {
            case.only_we_refuse("is unknown") && case.parameters().iter().any(|(name, _)| name.contains('['))
        },
    },
    Difference {
        name: "a message that JSON does not write as one text is no query parameter",
        because: "http.proto: each field of the message is mapped to a separate parameter. That the gateway takes the JSON of \
                  a Value, a Struct or an Empty for one is its own",
        applies: |case| {
            case.statuses(400, 200)
                && case.has_parameter(|field| matches!(field.kind(), Kind::Message(_)))
                && case.problem().is_some_and(|problem| problem.starts_with("must name a field"))
        },
    },
    Difference {
        name: "a part of a message that JSON writes in a way of its own is no query parameter",
        because: "the same value has the same form everywhere: `time=1970-01-01T00:00:01Z`, and not also `time.seconds=1`, \
                  which would be two ways to set one field, and more than one to set half of it",
        applies: |case| {
            (case.statuses(400, 200) || case.statuses(400, 500))
                && case.parameters().iter().any(|(name, _)| case.goes_into_well_known(name))
        },
    },
    Difference {
        name: "a semicolon in a query is text",
        because: "URL Standard, application/x-www-form-urlencoded: only `&` separates; Go refuses the query",
        applies: |case| case.only_gateway_refuses("invalid semicolon separator") && case.asked.query().contains(';'),
    },
];
