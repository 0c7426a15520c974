"""Asks the server at COUNTERSIGN_URL about tokens, and revokes them, with Authlib and oauthlib, and the credential
INTROSPECTION_CREDENTIAL."""

import os

import requests
from authlib.integrations.requests_client import OAuth2Session
from oauthlib.oauth2 import WebApplicationClient

BASE, CREDENTIAL = os.environ["COUNTERSIGN_URL"], os.environ["INTROSPECTION_CREDENTIAL"]
INTROSPECT, REVOKE = f"{BASE}/oauth2/introspect", f"{BASE}/oauth2/revoke"
# Both libraries want TLS, which the server under test does not have.
os.environ["AUTHLIB_INSECURE_TRANSPORT"] = os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"


def register(name):
    body = {"username": name, "password": "s3cur3pass"}
    return requests.post(f"{BASE}/api/auth/register", json=body, timeout=20).json()["token"]


def me(token):
    return requests.get(f"{BASE}/api/auth/me", headers={"token": token}, timeout=20).status_code


def authlib(method):
    with OAuth2Session("app", CREDENTIAL, token_endpoint_auth_method=method,
                       revocation_endpoint_auth_method=method) as client:
        name = f"py{method[-5:].replace('_', '')}"
        token = register(name)
        answer = client.introspect_token(INTROSPECT, token, token_type_hint="access_token")
        assert answer.status_code == 200, answer.text
        claims = answer.json()
        assert claims["active"] is True and claims["username"] == name and claims["exp"] - claims["iat"] == 3600, claims
        assert client.revoke_token(REVOKE, token, token_type_hint="refresh_token").status_code == 200
        assert client.introspect_token(INTROSPECT, token).json() == {"active": False}
        assert me(token) == 401
    with OAuth2Session("app", CREDENTIAL + "x", token_endpoint_auth_method=method) as client:
        refused = client.introspect_token(INTROSPECT, token)
        assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client"), refused.text
        assert refused.headers["www-authenticate"] == 'Basic realm="countersign"'
    print(f"   ok: Authlib, {method}")


def oauthlib():
    token = register("oauthlib")
    url, headers, body = WebApplicationClient("app").prepare_token_revocation_request(
        REVOKE, token, client_secret=CREDENTIAL)
    assert requests.post(url, data=body, headers=headers, timeout=20).status_code == 200
    assert me(token) == 401
    print("   ok: oauthlib, client_secret_post")


authlib("client_secret_basic")
authlib("client_secret_post")
oauthlib()
