//! The decision: whether a request may pass. Separate from the forms of the question and of the answer.

use std::sync::{Arc, Once};

use bytes::Bytes;
use countersign_guard::layer::{AuthLayer, Caller, Credential, Refusal};
use tonic::{Code, Status};

use super::answer::{AnswerWriter, Passage, refusal};
use super::identity::CallerIdentity;
use super::policy::RoutePolicy;
use super::question::{ClientProtocol, Question};
use crate::accounts::{Accounts, profile};
use crate::grpc::failures::PassageError;
use crate::grpc::stack::Refuse;
use crate::grpc::status::ToStatus;
use crate::keys::TokenKeys;

/// Decides about requests to other services.
pub(in crate::grpc) struct Checks {
    accounts: Accounts,
    /// The rules by which our own calls are authenticated.
    layer: AuthLayer<Refuse>,
    keys: Arc<TokenKeys>,
    writer: AnswerWriter,
    /// Done when the log has a warning of a question that is not understood.
    warning: Once,
}

impl Checks {
    pub(in crate::grpc) fn new(accounts: Accounts, layer: AuthLayer<Refuse>, keys: Arc<TokenKeys>) -> Self {
        Self { accounts, layer, keys, writer: AnswerWriter::new(), warning: Once::new() }
    }

    /// The `CheckResponse` to a `CheckRequest`.
    pub(super) async fn answer(&self, message: &Bytes) -> Vec<u8> {
        let question = match Question::read(message) {
            Ok(question) => question,
            Err(error) => {
                self.warning.call_once(|| {
                    tracing::warn!(
                        event = "check",
                        result = "not understood",
                        cause = %error,
                        "a proxy asks whether a request may pass, and the question is not understood, so the request is \
                         refused: the documentation says which Envoy is known (this is logged once)"
                    );
                });
                return refusal(&ToStatus(PassageError::Question).into(), ClientProtocol::Http);
            }
        };
        match self.decide(&question).await {
            Ok(passage) => self.writer.passage(&passage),
            Err(status) => refusal(&status, question.client()),
        }
    }

    async fn decide(&self, question: &Question<'_>) -> Result<Passage, Status> {
        let policy = RoutePolicy::parse(question.extensions.iter().copied()).map_err(ToStatus)?;
        let mut passage = if policy.preflight && question.is_preflight() {
            Passage::default()
        } else {
            match self.identify(&policy, question).await {
                // Such a request may pass without a good token. A token that cannot be checked may be good.
                Err(status) if policy.requirements.is_none() && status.code() == Code::Unauthenticated => {
                    Passage::default()
                }
                identified => identified?,
            }
        };
        passage.keeps_token = policy.keep_token;
        passage.keeps_authorization = policy.keep_token || question.has_foreign_authorization();
        Ok(passage)
    }

    /// Verifies the token of a request, judges the account, and mints the fresh token.
    async fn identify(&self, policy: &RoutePolicy, question: &Question<'_>) -> Result<Passage, Status> {
        let refuse = |refusal: Refusal| Status::from(ToStatus(refusal));
        let caller = self.verify(question).await.map_err(refuse)?;
        let claims = caller.claims();
        let account = self.accounts.who_is(claims.sub, claims.epoch).await.map_err(ToStatus)?;
        if let Some(requirements) = &policy.requirements {
            requirements.admit(&account).map_err(ToStatus)?;
        }
        // Asks again whether the session has ended meanwhile.
        let fresh = self.layer.renew(&caller, profile(&account.identity)).map_err(refuse)?;
        let identity = CallerIdentity::new(&account, claims.sid);
        Ok(Passage { identity, fresh: fresh.map(|fresh| fresh.token), ..Passage::default() })
    }

    /// Verifies the token of a request, and again with keys that were just read if its key is not known.
    async fn verify(&self, question: &Question<'_>) -> Result<Caller, Refusal> {
        match (self.layer.verify(question.credential()), question.credential()) {
            (Err(Refusal::TokenInvalid), Credential::Presented(token)) if self.keys.may_have_missed(token) => {
                self.keys.look().await.map_err(|_| Refusal::Unavailable)?;
                self.layer.verify(question.credential())
            }
            (verified, _) => verified,
        }
    }
}
