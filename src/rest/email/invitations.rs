//! Invitations to a firm: "joining an existing firm … happens by invitation only". Apart from `credentials` because all but one
//! of its routes are an administrator's.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use http::StatusCode;
use serde_json::{Value, json};

use super::{done, refuse, refuse_unreadable, role, user, with_token};
use crate::pb::{
    AcceptInvitationRequest, CreateInvitationRequest, Invitation, ListInvitationsRequest, RevokeInvitationRequest, Role,
};
use crate::rest::body::{self, Fields, Problem};
use crate::rest::call::{self, Admins, Client, Failure};

const ALL: &str = "/auth/invitations";
const ONE: &str = "/auth/invitations/{id}";
const ACCEPT: &str = "/auth/invitations/accept";

/// Of no role. The RPC refuses it, when it has seen that the caller may invite at all.
const NO_ROLE: i32 = -1;

/// `GET` and `POST /auth/invitations`, `DELETE /auth/invitations/{id}` and `POST /auth/invitations/accept`.
pub(super) fn routes(client: Client, admins: Admins) -> Router {
    let public = Router::new().route(ACCEPT, post(accept)).with_state(client);
    Router::new().route(ALL, get(list).post(create)).route(ONE, delete(revoke)).with_state(admins).merge(public)
}

/// The path of one invitation with the name of its variable, if that is what this is.
pub(in crate::rest) fn path(path: &str) -> Option<&'static str> {
    let id = path.strip_prefix(ALL)?.strip_prefix('/')?;
    (path != ACCEPT && !id.is_empty() && !id.contains('/')).then_some(ONE)
}

async fn create(State(mut client): State<Admins>, request: Request) -> Response {
    let (parts, mut fields) = match body::read(request).await {
        Ok(read) => read,
        Err(unreadable) => return refuse_unreadable(unreadable),
    };
    let email = fields.text("email");
    let role = match fields.optional("role").as_deref() {
        None => Role::Unspecified.into(),
        Some("admin") => Role::Admin.into(),
        Some("user") => Role::User.into(),
        Some("viewer") => Role::Viewer.into(),
        Some(_) => {
            fields.refuse("role", Problem::Not("must be admin, user or viewer"));
            NO_ROLE
        }
    };
    // Always the caller's own firm: a body cannot name one.
    let message = CreateInvitationRequest { email, role, firm_id: String::new() };
    match client.create_invitation(call::with_credentials(parts, message)).await {
        Ok(response) => {
            let fresh = call::fresh_token(response.metadata());
            let Some(invitation) = response.into_inner().invitation.as_ref().map(shown) else {
                return refuse(Failure::defect(), &fields);
            };
            let answer = json!({ "invitation": invitation, "message": "Invitation sent successfully." });
            with_token((StatusCode::CREATED, Json(answer)).into_response(), fresh)
        }
        Err(status) => refuse(status.into(), &fields),
    }
}

async fn list(State(mut client): State<Admins>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let mut fields = Fields::of_query(parts.uri.query());
    let page_size = match fields.optional("page_size").as_deref().map(str::parse) {
        None => 0,
        Some(Ok(number)) => number,
        Some(Err(_)) => {
            fields.refuse("page_size", Problem::Not("must be a whole number"));
            -1
        }
    };
    let page_token = fields.optional("page_token").unwrap_or_default();
    let message = ListInvitationsRequest { firm_id: String::new(), page_size, page_token };
    match client.list_invitations(call::with_credentials(parts, message)).await {
        Ok(response) => {
            let fresh = call::fresh_token(response.metadata());
            let page = response.into_inner();
            let invitations: Vec<_> = page.invitations.iter().map(shown).collect();
            let answer = json!({ "invitations": invitations, "next_page_token": page.next_page_token });
            with_token(Json(answer).into_response(), fresh)
        }
        Err(status) => refuse(status.into(), &fields),
    }
}

async fn revoke(
    State(mut client): State<Admins>,
    id: Result<Path<String>, PathRejection>,
    request: Request,
) -> Response {
    // What is no text is as little an invitation's id as any other text.
    let message = RevokeInvitationRequest { invitation_id: id.map(|Path(id)| id).unwrap_or_default() };
    let answered = client.revoke_invitation(call::with_credentials(request.into_parts().0, message)).await;
    done(answered, "Invitation withdrawn successfully.", &Fields::default())
}

async fn accept(State(mut client): State<Client>, request: Request) -> Response {
    let (parts, mut fields) = match body::read(request).await {
        Ok(read) => read,
        Err(unreadable) => return refuse_unreadable(unreadable),
    };
    let message = AcceptInvitationRequest {
        one_time_token: fields.text_of("one_time_token", "token"),
        name: fields.text("name"),
        password: fields.text("password"),
    };
    match client.accept_invitation(call::on_behalf(parts, message)).await {
        Ok(response) => {
            let Some(user) = user(response.into_inner().account) else {
                return refuse(Failure::defect(), &fields);
            };
            let answer = json!({ "user": user, "message": "Account created successfully. Please log in." });
            (StatusCode::CREATED, Json(answer)).into_response()
        }
        Err(status) => refuse(status.into(), &fields),
    }
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
