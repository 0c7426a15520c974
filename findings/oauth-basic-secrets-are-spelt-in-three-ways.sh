#!/usr/bin/env bash
#
# Six OAuth clients spell one client secret in three ways in `Authorization: Basic`, and two of three servers accept
# only one spelling. No client can use a secret with a `+` at both of these servers, and with one of them, two clients
# cannot use a secret with a `-` or `_` either.
#
# Why it matters: `openssl rand -base64` makes secrets with `+`, `/` and `=`; a UUID has `-`; base64url has `-` and `_`.
# Both sides are given the same text, the server calls it wrong, and another library on one side is enough to break what
# worked. RFC 6749 (section 2.3.1) asks for the spelling of a form within Basic; RFC 7617, which defines Basic, does
# not. A server that tries both spellings, as Authlib's does, works with every client. So does a secret of letters and
# digits.
#
#   the secret        Authlib 1.9.10,             golang.org/x/oauth2 0.38.0,   oauth4webapi 3.8.8,
#                     requests-oauthlib 2.0.0     simple-oauth2 5.1.0           @badgateway/oauth2-client 3.3.1
#   plain             plain                       plain                         plain
#   a+b/c=            a+b/c=                      a%2Bb%2Fc%3D                  a%2Bb%2Fc%3D
#   a-b_c             a-b_c                       a-b_c                         a%2Db%5Fc
#
# Seen on CPython 3.11, Node 20 and Go 1.26, when each client asks each server for a token by client credentials:
#   @node-oauth/oauth2-server 5.3.0  refuses a+b/c= from all but the first two, and a-b_c from the last two
#   oidc-provider 9.13.3             refuses a+b/c= from the first two
#   Authlib 1.9.10 (as a server)     accepts all
set -euo pipefail

work="$(mktemp -d)"
servers=()
finish() {
    kill "${servers[@]}" 2>/dev/null || true
    chmod -R u+w "$work" && rm -rf "$work"
}
trap finish EXIT
cd "$work"
# A proxy for the package registries must not be used for this machine.
export NO_PROXY=127.0.0.1 no_proxy=127.0.0.1

python3 -m venv python
python/bin/pip install --quiet --disable-pip-version-check Authlib==1.9.10 requests==2.34.2 oauthlib==4.0.1 \
    requests-oauthlib==2.0.0 Flask==3.1.3 Werkzeug==3.1.9
echo '{"private": true, "type": "module"}' >package.json
npm install --silent --no-audit --no-fund --save-exact oauth4webapi@3.8.8 simple-oauth2@5.1.0 \
    @badgateway/oauth2-client@3.3.1 oidc-provider@9.13.3 @node-oauth/oauth2-server@5.3.0

# --- three servers that know the client `service` and its secret, and one that tells what it has received -----------

cat >servers.mjs <<'JS'
import { createServer } from "node:http";
import OAuth2Server from "@node-oauth/oauth2-server";
import { Provider } from "oidc-provider";

const secret = process.argv[2];
const model = {
  getClient: async (id, given) => id === "service" && given === secret && { id, grants: ["client_credentials"] },
  getUserFromClient: async () => ({ id: "service" }),
  saveToken: async (token, client, user) => ({ ...token, client, user }),
};
const oauth = new OAuth2Server({ model });
const provider = new Provider("http://127.0.0.1", {
  clients: [
    {
      client_id: "service",
      client_secret: secret,
      grant_types: ["client_credentials"],
      redirect_uris: [],
      response_types: [],
    },
  ],
  features: { clientCredentials: { enabled: true }, devInteractions: { enabled: false } },
});
const handlers = {
  "node-oauth": async (request, response) => {
    let text = "";
    for await (const chunk of request) text += chunk;
    const { headers, method } = request;
    const asked = { headers, method, query: {}, body: Object.fromEntries(new URLSearchParams(text)) };
    const answer = new OAuth2Server.Response({});
    await oauth.token(new OAuth2Server.Request(asked), answer).catch(() => {});
    response.writeHead(answer.status, { "content-type": "application/json" }).end(JSON.stringify(answer.body ?? {}));
  },
  "oidc-provider": provider.callback(),
  echo: (request, response) => {
    const pair = Buffer.from((request.headers.authorization ?? "").slice(6), "base64").toString();
    const body = { access_token: pair.split(":")[1], token_type: "Bearer" };
    request.resume();
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(body));
  },
};
for (const [name, handler] of Object.entries(handlers)) {
  const server = createServer(handler);
  await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
  process.stdout.write(`${name} http://127.0.0.1:${server.address().port}/token\n`);
}
JS

cat >server.py <<'PYTHON'
import sys

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import ClientMixin, grants
from flask import Flask
from werkzeug.serving import make_server


class Service(ClientMixin):
    client_id = "service"

    def get_client_id(self):
        return self.client_id

    def check_client_secret(self, secret):
        return secret == sys.argv[1]

    def check_endpoint_auth_method(self, method, endpoint):
        return method == "client_secret_basic"

    def check_grant_type(self, grant):
        return grant == "client_credentials"

    def get_allowed_scope(self, scope):
        return ""


app = Flask("server")
server = AuthorizationServer(
    app, query_client=lambda id: Service() if id == "service" else None, save_token=lambda *_: None)
server.register_grant(grants.ClientCredentialsGrant)
app.add_url_rule("/token", view_func=server.create_token_response, methods=["POST"])
listener = make_server("127.0.0.1", 0, app)
print(f"Authlib http://127.0.0.1:{listener.port}/token", flush=True)
listener.serve_forever()
PYTHON

# --- six clients, which print the token that they get ---------------------------------------------------------------

cat >clients.py <<'PYTHON'
import os
import sys

from authlib.integrations.requests_client import OAuth2Session
from oauthlib.oauth2 import BackendApplicationClient
from requests_oauthlib import OAuth2Session as RequestsSession

os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"
url, secret = sys.argv[1:]


def authlib():
    return OAuth2Session("service", secret).fetch_token(url, grant_type="client_credentials")


def requests_oauthlib():
    session = RequestsSession(client=BackendApplicationClient("service"))
    return session.fetch_token(url, client_id="service", client_secret=secret)


for name, fetch in {"Authlib": authlib, "requests-oauthlib": requests_oauthlib}.items():
    try:
        print(name, fetch()["access_token"])
    except Exception as error:
        print(name, "refused")
        print(f"{name}: {error!r}", file=sys.stderr)
PYTHON

cat >clients.mjs <<'JS'
import { OAuth2Client } from "@badgateway/oauth2-client";
import * as oauth from "oauth4webapi";
import { ClientCredentials } from "simple-oauth2";

const [url, secret] = process.argv.slice(2);
const { origin: tokenHost, pathname: tokenPath } = new URL(url);
const clients = {
  async "simple-oauth2"() {
    const client = new ClientCredentials({ client: { id: "service", secret }, auth: { tokenHost, tokenPath } });
    return (await client.getToken({})).token.access_token;
  },
  async oauth4webapi() {
    const [server, client] = [{ issuer: tokenHost, token_endpoint: url }, { client_id: "service" }];
    const options = { [oauth.allowInsecureRequests]: true };
    const basic = oauth.ClientSecretBasic(secret);
    const answer = await oauth.clientCredentialsGrantRequest(server, client, basic, {}, options);
    return (await oauth.processClientCredentialsResponse(server, client, answer)).access_token;
  },
  async "@badgateway/oauth2-client"() {
    const authenticationMethod = "client_secret_basic";
    const settings = { tokenEndpoint: url, clientId: "service", clientSecret: secret, authenticationMethod };
    return (await new OAuth2Client(settings).clientCredentials()).accessToken;
  },
};
for (const [name, fetch] of Object.entries(clients)) {
  const token = await fetch().catch((error) => console.error(`${name}: ${error}`));
  console.log(name, token ?? "refused");
}
JS

mkdir go
cat >go/main.go <<'GO'
package main

import (
	"context"
	"fmt"
	"os"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

func main() {
	config := clientcredentials.Config{
		TokenURL: os.Args[1], ClientID: "service", ClientSecret: os.Args[2], AuthStyle: oauth2.AuthStyleInHeader,
	}
	token, err := config.Token(context.Background())
	if err != nil {
		fmt.Println("x/oauth2 refused")
		fmt.Fprintln(os.Stderr, "x/oauth2:", err)
		return
	}
	fmt.Println("x/oauth2", token.AccessToken)
}
GO
(
    cd go
    go mod init finding
    go get golang.org/x/oauth2@v0.38.0
    go mod tidy
    go build -o ../clients-go .
) >log 2>&1

# --- each client at each server -------------------------------------------------------------------------------------

# refused SERVER: the clients that this server has refused.
refused() { grep "^$1 .* refused$" seen | cut -d ' ' -f 2 | sort | xargs; }

# try SECRET: has every client ask every server, and leaves what they got in `seen`.
try() {
    local server url tries
    node servers.mjs "$1" >listening-node 2>/dev/null &
    servers=($!)
    python/bin/python server.py "$1" >listening-python 2>/dev/null &
    servers+=($!)
    for ((tries = 0; tries < 300; tries++)); do
        [[ "$(cat listening-* | wc -l)" != 4 ]] || break
        sleep 0.1
    done
    : >seen
    while read -r server url; do
        { python/bin/python clients.py "$url" "$1" && node clients.mjs "$url" "$1" && ./clients-go "$url" "$1"; } \
            2>errors | sed "s|^|$server |" >>seen
    done < <(cat listening-*)
    kill "${servers[@]}"
    printf '\nthe secret %s, as each client sends it:\n' "$1"
    sed -n 's/^echo /  /p' seen
    for server in node-oauth oidc-provider Authlib; do
        printf '%s refuses: %s\n' "$server" "$(refused "$server")"
        [[ "$(grep -c "^$server " seen)" == 6 ]]
    done
}

# sends SPELLING: the clients that have sent the secret in this way.
sends() { awk -v text="$1" '$1 == "echo" && $3 == text { print $2 }' seen | sort | xargs; }

try plain
[[ "$(refused node-oauth)$(refused oidc-provider)$(refused Authlib)" == "" ]]

try 'a+b/c='
[[ "$(sends 'a+b/c=')" == "Authlib requests-oauthlib" ]]
[[ "$(sends 'a%2Bb%2Fc%3D')" == "@badgateway/oauth2-client oauth4webapi simple-oauth2 x/oauth2" ]]
[[ "$(refused node-oauth)" == "@badgateway/oauth2-client oauth4webapi simple-oauth2 x/oauth2" ]]
[[ "$(refused oidc-provider)" == "Authlib requests-oauthlib" ]]
[[ "$(refused Authlib)" == "" ]]

try a-b_c
[[ "$(sends a-b_c)" == "Authlib requests-oauthlib simple-oauth2 x/oauth2" ]]
[[ "$(sends 'a%2Db%5Fc')" == "@badgateway/oauth2-client oauth4webapi" ]]
[[ "$(refused node-oauth)" == "@badgateway/oauth2-client oauth4webapi" ]]
[[ "$(refused oidc-provider)$(refused Authlib)" == "" ]]
printf '\nas found\n'
