//! Invitations to a firm: "joining an existing firm … happens by invitation only". Separate from `credentials` because
//! administrators call these routes, all but one.

use axum::Json;
use axum::extract::Request;
use axum::response::IntoResponse as _;
use http::{Method, StatusCode};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use super::{done, refuse, refuse_body, role, user, with_token};
use crate::pb::{
    AcceptInvitationRequest, CreateInvitationRequest, Invitation, ListInvitationsRequest, RevokeInvitationRequest, Role,
};
use crate::rest::body::{self, FieldProblem, Fields};
use crate::rest::call::{self, RouteResult, Rpc, RpcFailure};
use crate::rest::routes::{Route, Routes};

/// A number of no role. The RPC refuses it after it has seen that the caller may invite at all.
const NO_ROLE: i32 = -1;

/// A text that the RPC refuses as a page token: the empty one would be answered with the first page.
const NO_PAGE_TOKEN: &str = "?";

pub(super) fn routes(rpc: Rpc) -> Vec<Route> {
    Routes::new(rpc)
        .on(Method::GET, "/auth/invitations", list)
        .on(Method::POST, "/auth/invitations", create)
        .on(Method::DELETE, "/auth/invitations/{id}", revoke)
        .on(Method::POST, "/auth/invitations/accept", accept)
        .into_vec()
}

async fn create(rpc: Rpc, request: Request) -> RouteResult {
    let (parts, mut fields) = body::read(request).await.map_err(refuse_body)?;
    let email = fields.text("email");
    let role = match fields.optional("role").as_deref() {
        None => Role::Unspecified.into(),
        Some("admin") => Role::Admin.into(),
        Some("user") => Role::User.into(),
        Some("viewer") => Role::Viewer.into(),
        Some(_) => {
            fields.refuse("role", FieldProblem::Not("must be admin, user or viewer"));
            NO_ROLE
        }
    };
    // The invitation is to the caller's own firm: a body cannot name another.
    let message = CreateInvitationRequest { email, role, firm_id: String::new() };
    let answered = rpc.unary(call::with_credentials(parts, message)).await;
    let (metadata, created, _) = answered.map_err(|status| refuse(status.into(), &fields))?.into_parts();
    let invitation = created.invitation.as_ref().map(shown).ok_or_else(|| refuse(RpcFailure::defect(), &fields))?;
    let answer = json!({ "invitation": invitation, "message": "Invitation sent successfully." });
    Ok(with_token((StatusCode::CREATED, Json(answer)).into_response(), &metadata))
}

async fn list(rpc: Rpc, request: Request) -> RouteResult {
    let (parts, _) = request.into_parts();
    let mut fields = Fields::of_query(parts.uri.query());
    let page_size = match fields.optional("page_size").as_deref().map(str::parse) {
        None => 0,
        Some(Ok(number)) => number,
        Some(Err(_)) => {
            fields.refuse("page_size", FieldProblem::Not("must be a whole number"));
            -1
        }
    };
    let mut page_token = fields.optional("page_token").unwrap_or_default();
    if fields.problem("page_token").is_some() {
        NO_PAGE_TOKEN.clone_into(&mut page_token);
    }
    let message = ListInvitationsRequest { firm_id: String::new(), page_size, page_token };
    let answered = rpc.unary(call::with_credentials(parts, message)).await;
    let (metadata, page, _) = answered.map_err(|status| refuse(status.into(), &fields))?.into_parts();
    let invitations: Vec<_> = page.invitations.iter().map(shown).collect();
    let answer = json!({ "invitations": invitations, "next_page_token": page.next_page_token });
    Ok(with_token(Json(answer).into_response(), &metadata))
}

async fn revoke(rpc: Rpc, request: Request) -> RouteResult {
    let id = request.uri().path().rsplit('/').next().unwrap_or_default();
    // A path that cannot be decoded names no invitation, and neither does an empty id.
    let invitation_id = percent_decode_str(id).decode_utf8().unwrap_or_default().into_owned();
    let message = RevokeInvitationRequest { invitation_id };
    let answered = rpc.unary(call::with_credentials(request.into_parts().0, message)).await;
    Ok(done(answered, "Invitation withdrawn successfully.", &Fields::default()))
}

async fn accept(rpc: Rpc, request: Request) -> RouteResult {
    let (parts, mut fields) = body::read(request).await.map_err(refuse_body)?;
    let message = AcceptInvitationRequest {
        one_time_token: fields.text_of("one_time_token", "token"),
        name: fields.text("name"),
        password: fields.text("password"),
    };
    let answered = rpc.unary(call::on_behalf(parts, message)).await;
    let accepted = answered.map_err(|status| refuse(status.into(), &fields))?.into_inner();
    let user = user(accepted.account).ok_or_else(|| refuse(RpcFailure::defect(), &fields))?;
    let answer = json!({ "user": user, "message": "Account created successfully. Please log in." });
    Ok((StatusCode::CREATED, Json(answer)).into_response())
}

fn shown(invitation: &Invitation) -> Value {
    json!({
        "id": invitation.id,
        "email": invitation.email,
        "role": role(invitation.role),
        "firm_id": invitation.firm_id,
        "invited_by": invitation.invited_by,
        "created_at": invitation.create_time.as_ref().map(ToString::to_string),
        "expires_at": invitation.expire_time.as_ref().map(ToString::to_string),
    })
}
