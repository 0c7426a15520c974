//! The settings of a transcoder besides the annotations: its limits, and the headers that it passes to and from its
//! service.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::header::{AUTHORIZATION, HeaderMap, HeaderName, USER_AGENT};
use tonic::Status;
use tonic::codec::BufferSettings;
use tonic::metadata::MetadataMap;

use crate::body::Limits;

type AnswerHeaders = dyn Fn(&MetadataMap, &mut HeaderMap) + Send + Sync;
type FailureHeaders = dyn Fn(&Status, &mut HeaderMap) + Send + Sync;

/// The settings of a [`Transcoder`](crate::Transcoder). The default passes on `authorization`, `user-agent` and
/// `grpc-timeout`, reads bodies within the default [`Limits`], and adds no headers to responses.
#[derive(Clone)]
pub struct Options {
    pub(crate) request_headers: Vec<HeaderName>,
    pub(crate) limits: Limits,
    pub(crate) buffers: BufferSettings,
    pub(crate) invalid_field: Option<(String, String)>,
    answer_headers: Option<Arc<AnswerHeaders>>,
    failure_headers: Option<Arc<FailureHeaders>>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            request_headers: vec![AUTHORIZATION, USER_AGENT, HeaderName::from_static("grpc-timeout")],
            limits: Limits::default(),
            buffers: BufferSettings::default(),
            invalid_field: None,
            answer_headers: None,
            failure_headers: None,
        }
    }
}

impl Options {
    /// Passes on these request headers as metadata, in place of the default ones. Each value is passed on, as often as
    /// it was sent. Include `grpc-timeout` if clients may set a deadline (`Grpc-Timeout: 500m`).
    #[must_use]
    pub fn request_headers(mut self, names: impl IntoIterator<Item = HeaderName>) -> Self {
        self.request_headers = names.into_iter().collect();
        self
    }

    /// Reads at most `bytes` of a body, and waits for at most `time` until it is complete.
    #[must_use]
    pub fn body_limits(mut self, bytes: usize, time: Duration) -> Self {
        self.limits = Limits { bytes, time };
        self
    }

    /// Encodes and decodes messages with buffers of these sizes. tonic's default is 8 KiB for each direction of each
    /// call.
    #[must_use]
    pub fn buffers(mut self, buffers: BufferSettings) -> Self {
        self.buffers = buffers;
        self
    }

    /// Adds a `google.rpc.ErrorInfo` with this reason and domain to the answer that refuses a field before the RPC is
    /// called. So clients can treat it as a field that the RPC itself refuses.
    #[must_use]
    pub fn invalid_field(mut self, reason: impl Into<String>, domain: impl Into<String>) -> Self {
        self.invalid_field = Some((reason.into(), domain.into()));
        self
    }

    /// Adds headers to the answers of RPCs that succeeded, from their initial metadata.
    #[must_use]
    pub fn answer_headers(mut self, add: impl Fn(&MetadataMap, &mut HeaderMap) + Send + Sync + 'static) -> Self {
        self.answer_headers = Some(Arc::new(add));
        self
    }

    /// Adds headers to failures: those of RPCs, and those of the transcoder. `retry-after` is there already if the
    /// status has a `google.rpc.RetryInfo`.
    #[must_use]
    pub fn failure_headers(mut self, add: impl Fn(&Status, &mut HeaderMap) + Send + Sync + 'static) -> Self {
        self.failure_headers = Some(Arc::new(add));
        self
    }

    pub(crate) fn add_answer_headers(&self, metadata: &MetadataMap, headers: &mut HeaderMap) {
        if let Some(add) = &self.answer_headers {
            add(metadata, headers);
        }
    }

    pub(crate) fn add_failure_headers(&self, status: &Status, headers: &mut HeaderMap) {
        if let Some(add) = &self.failure_headers {
            add(status, headers);
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("request_headers", &self.request_headers)
            .field("limits", &self.limits)
            .field("buffers", &self.buffers)
            .field("invalid_field", &self.invalid_field)
            .finish_non_exhaustive()
    }
}
