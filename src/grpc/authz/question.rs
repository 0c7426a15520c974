//! What a proxy tells about a request: the parts of a `CheckRequest` that decide, borrowed from its bytes. Separate
//! because it only reads.
//!
//! The numbers are those of `proto/envoy`. Generated code would skip a field that is not listed here. This reader does
//! not: such a field could change what the others mean, so the question is not understood.

use countersign_guard::layer::{Credential, is_of_another_scheme, read_joined_credential};

use super::wire::{MalformedMessage, WireFields};

/// A question about one request.
#[derive(Debug, Default)]
pub(super) struct Question<'a> {
    /// The names and values of the context extensions.
    pub extensions: Vec<(&'a str, &'a str)>,
    method: &'a [u8],
    has_headers: bool,
    token: Sent<'a>,
    authorization: Sent<'a>,
    content_type: Sent<'a>,
    origin: Sent<'a>,
    /// The header `access-control-request-method` of a preflight.
    requested_method: Sent<'a>,
}

/// How often a header was sent. One that the proxy has joined counts as one.
#[derive(Debug, Default, Clone, Copy)]
enum Sent<'a> {
    #[default]
    Never,
    Once(&'a [u8]),
    Often,
}

/// The client's protocol, which decides about the form of a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ClientProtocol {
    Grpc,
    GrpcWeb,
    Http,
}

/// Why a question cannot be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum UnreadQuestion {
    #[error(transparent)]
    Malformed(#[from] MalformedMessage),
    /// A field without a meaning here.
    #[error("the field {1} of {0} is not known")]
    Field(&'static str, usize),
    /// A name or value of a context extension that is no text.
    #[error("a context extension is no text")]
    Extension,
    /// Every HTTP request has headers, so the proxy has not sent them.
    #[error("the request has no headers")]
    NoHeaders,
}

impl<'a> Question<'a> {
    /// Reads the bytes of a `CheckRequest`.
    pub(super) fn read(message: &'a [u8]) -> Result<Self, UnreadQuestion> {
        let mut question = Self::default();
        for field in WireFields(message) {
            match field? {
                (1, Some(attributes)) => question.read_attributes(attributes)?,
                (number, _) => return Err(UnreadQuestion::Field("CheckRequest", number)),
            }
        }
        if question.has_headers { Ok(question) } else { Err(UnreadQuestion::NoHeaders) }
    }

    fn read_attributes(&mut self, attributes: &'a [u8]) -> Result<(), UnreadQuestion> {
        for field in WireFields(attributes) {
            match field? {
                (4, Some(request)) => self.read_request(request)?,
                (10, Some(entry)) => {
                    let text = |bytes| std::str::from_utf8(bytes).map_err(|_| UnreadQuestion::Extension);
                    let (name, value) = pair(entry, "ContextExtensionsEntry")?;
                    self.extensions.push((text(name)?, text(value)?));
                }
                // The two peers of the connection, metadata of the proxy, and TLS.
                (1 | 2 | 11..=13, _) => {}
                (number, _) => return Err(UnreadQuestion::Field("AttributeContext", number)),
            }
        }
        Ok(())
    }

    fn read_request(&mut self, request: &'a [u8]) -> Result<(), UnreadQuestion> {
        for field in WireFields(request) {
            match field? {
                (2, Some(http)) => self.read_http(http)?,
                // The time of the first byte.
                (1, _) => {}
                (number, _) => return Err(UnreadQuestion::Field("Request", number)),
            }
        }
        Ok(())
    }

    fn read_http(&mut self, http: &'a [u8]) -> Result<(), UnreadQuestion> {
        for field in WireFields(http) {
            match field? {
                (2, Some(method)) => self.method = method,
                (3, Some(entry)) => {
                    let (name, value) = pair(entry, "HeadersEntry")?;
                    self.read_header(name, value);
                }
                (13, Some(map)) => {
                    for header in WireFields(map) {
                        match header? {
                            (1, Some(header)) => {
                                let (name, value) = pair(header, "HeaderValue")?;
                                self.read_header(name, value);
                            }
                            (number, _) => return Err(UnreadQuestion::Field("HeaderMap", number)),
                        }
                    }
                }
                // The id, path, host, scheme, query, fragment, size and protocol, and the body, if the proxy sends it.
                (1 | 4..=12, _) => {}
                (number, _) => return Err(UnreadQuestion::Field("HttpRequest", number)),
            }
        }
        Ok(())
    }

    fn read_header(&mut self, name: &[u8], value: &'a [u8]) {
        self.has_headers = true;
        let sent = match name {
            _ if name.eq_ignore_ascii_case(b"token") => &mut self.token,
            _ if name.eq_ignore_ascii_case(b"authorization") => &mut self.authorization,
            _ if name.eq_ignore_ascii_case(b"content-type") => &mut self.content_type,
            _ if name.eq_ignore_ascii_case(b"origin") => &mut self.origin,
            _ if name.eq_ignore_ascii_case(b"access-control-request-method") => &mut self.requested_method,
            _ => return,
        };
        *sent = match sent {
            Sent::Never => Sent::Once(value),
            Sent::Once(_) | Sent::Often => Sent::Often,
        };
    }

    /// The credential that the request presents.
    pub(super) fn credential(&self) -> Credential<'a> {
        match (self.token, self.authorization) {
            (Sent::Often, _) | (_, Sent::Often) => Credential::Malformed,
            (token, authorization) => read_joined_credential(token.value(), authorization.value()),
        }
    }

    /// Whether `authorization` is of another scheme than `Bearer`, and so not ours.
    pub(super) fn has_foreign_authorization(&self) -> bool {
        self.authorization.value().is_some_and(is_of_another_scheme)
    }

    /// Whether a browser asks whether it may send a request of another origin (Fetch, "CORS-preflight request").
    pub(super) fn is_preflight(&self) -> bool {
        self.method == b"OPTIONS" && matches!((self.origin, self.requested_method), (Sent::Once(_), Sent::Once(_)))
    }

    pub(super) fn client(&self) -> ClientProtocol {
        let is = |name: &[u8]| {
            let start = self.content_type.value().and_then(|value| value.split_at_checked(name.len()));
            start.is_some_and(|(start, _)| start.eq_ignore_ascii_case(name))
        };
        match () {
            () if is(b"application/grpc-web") => ClientProtocol::GrpcWeb,
            () if is(b"application/grpc") => ClientProtocol::Grpc,
            () => ClientProtocol::Http,
        }
    }
}

impl<'a> Sent<'a> {
    fn value(self) -> Option<&'a [u8]> {
        match self {
            Self::Once(value) => Some(value),
            Self::Never | Self::Often => None,
        }
    }
}

/// The name and the value of an entry of a map, or of a `HeaderValue`, which has either a text or bytes.
fn pair<'a>(entry: &'a [u8], message: &'static str) -> Result<(&'a [u8], &'a [u8]), UnreadQuestion> {
    let (mut name, mut value): (&[u8], &[u8]) = (&[], &[]);
    for field in WireFields(entry) {
        match field? {
            (1, Some(bytes)) => name = bytes,
            (2, Some(bytes)) => value = bytes,
            (3, Some(bytes)) if message == "HeaderValue" => value = bytes,
            (number, _) => return Err(UnreadQuestion::Field(message, number)),
        }
    }
    Ok((name, value))
}
