#!/usr/bin/env bash
#
# A passkey says with a number what its key is: -7 (ES256) or -8 (EdDSA), or, since RFC 9864, the fully specified -9
# (ESP256) and -19 (Ed25519) for the same keys and signatures. Two of four libraries for servers take only the older
# numbers, and one of these takes the newer ones into its list of allowed algorithms and refuses the key all the same.
#
# Why it matters: RFC 9864 deprecates -7 and -8. A server that offers -9 or -19 stores public keys that cannot be moved to a
# service of another library, although nothing but the number differs. So a server offers the older numbers, and reads
# the newer ones as the same algorithms.
#
# Seen on CPython 3.11, Node 20 and Go 1.26: one P-256 and one Ed25519 key, each registered and signed in with twice.
#   take all four numbers    fido2 2.2.1 (Python), go-webauthn 0.18.2
#   take -7 and -8           webauthn 3.0.1 (Python), @simplewebauthn/server 14.0.3
#   @simplewebauthn/server with supportedAlgorithmIDs: [-7, -8, -9, -19] refuses when it verifies the first sign-in of -9
#   ("Could not map COSE alg value of -9 to a WebCrypto hash alg name"), and of -19 ("invalid alg -19 (OKP)").
set -euo pipefail
export LC_ALL=C # the order of `sort`

work="$(mktemp -d)"
trap 'chmod -R u+w "$work" && rm -rf "$work"' EXIT
cd "$work"

python3 -m venv python
python/bin/pip install --quiet --disable-pip-version-check cbor2==6.3.0 cryptography==50.0.2 fido2==2.2.1 webauthn==3.0.1
npm install --silent --no-audit --no-fund --ignore-scripts @simplewebauthn/server@14.0.3

# What a browser sends for each key and number, without attestation.
python/bin/python - <<'PYTHON'
import json
from base64 import urlsafe_b64encode
from hashlib import sha256
from pathlib import Path

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519


def base64url(data):
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def answer(of, kind, response):
    data = json.dumps({"type": kind, "challenge": CHALLENGE, "origin": "https://example.org", "crossOrigin": False})
    response = {name: base64url(value) for name, value in response(data.encode()).items()}
    response["clientDataJSON"] = base64url(data.encode())
    return {"id": of, "rawId": of, "type": "public-key", "response": response, "clientExtensionResults": {}}


def passkey(number, cose, sign):
    id_, counter = sha256(str(number).encode()).digest(), bytes(4)
    site = sha256(b"example.org").digest()
    held = site + b"\x45" + counter + bytes(16) + len(id_).to_bytes(2, "big") + id_ + cbor2.dumps(cose | {3: number})
    attested = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": held})
    shown = site + b"\x05" + counter
    return {
        "number": number,
        "registered": answer(base64url(id_), "webauthn.create", lambda _: {"attestationObject": attested}),
        "signed_in": answer(base64url(id_), "webauthn.get", lambda data: {
            "authenticatorData": shown,
            "signature": sign(shown + sha256(data).digest()),
            "userHandle": b"joe",
        }),
    }


CHALLENGE = base64url(bytes(32))
p256, ed = ec.generate_private_key(ec.SECP256R1()), ed25519.Ed25519PrivateKey.generate()
point = p256.public_key().public_numbers()
on_p256 = {1: 2, -1: 1, -2: point.x.to_bytes(32, "big"), -3: point.y.to_bytes(32, "big")}
on_ed25519 = {1: 1, -1: 6, -2: ed.public_key().public_bytes_raw()}
Path("passkeys.json").write_text(json.dumps(
    [passkey(number, on_p256, lambda data: p256.sign(data, ec.ECDSA(hashes.SHA256()))) for number in (-7, -9)]
    + [passkey(number, on_ed25519, ed.sign) for number in (-8, -19)]))
PYTHON

cat >servers.py <<'PYTHON'
import json
from pathlib import Path

import webauthn
from fido2.server import Fido2Server
from fido2.webauthn import PublicKeyCredentialRpEntity

CHALLENGE = "A" * 43


def with_webauthn(key):
    expected = {"expected_challenge": bytes(32), "expected_rp_id": "example.org",
                "expected_origin": "https://example.org"}
    registered = webauthn.verify_registration_response(credential=key["registered"], **expected)
    webauthn.verify_authentication_response(
        credential=key["signed_in"], credential_public_key=registered.credential_public_key,
        credential_current_sign_count=0, **expected)


def with_fido2(key):
    server = Fido2Server(PublicKeyCredentialRpEntity(id="example.org", name="Example"))
    state = {"challenge": CHALLENGE, "user_verification": None}
    registered = server.register_complete(state, key["registered"])
    server.authenticate_complete(state, [registered.credential_data], key["signed_in"])


for key in json.loads(Path("passkeys.json").read_text()):
    for name, use in (("webauthn", with_webauthn), ("fido2", with_fido2)):
        try:
            use(key)
            print(name, key["number"], "taken")
        except webauthn.helpers.exceptions.InvalidRegistrationResponse as error:
            print(name, key["number"], str(error).split(",")[0])
PYTHON
cat >server.mjs <<'JS'
import { readFileSync } from "node:fs";
import { verifyAuthenticationResponse, verifyRegistrationResponse } from "@simplewebauthn/server";

const expected = { expectedChallenge: "A".repeat(43), expectedOrigin: "https://example.org", expectedRPID: "example.org" };
const tries = [["simplewebauthn", {}], ["simplewebauthn-told", { supportedAlgorithmIDs: [-7, -8, -9, -19] }]];
for (const key of JSON.parse(readFileSync("passkeys.json"))) {
  for (const [name, allowed] of tries) {
    try {
      const { registrationInfo } = await verifyRegistrationResponse({ response: key.registered, ...expected, ...allowed });
      const { credential } = registrationInfo;
      const { verified } = await verifyAuthenticationResponse({ response: key.signed_in, ...expected, credential });
      console.log(name, key.number, verified ? "taken" : "not verified");
    } catch (error) {
      console.log(name, key.number, error.message.split(",")[0]);
    }
  }
}
JS
mkdir go && cat >go/go.mod <<'GO'
module passkeys

go 1.24

require github.com/go-webauthn/webauthn v0.18.2
GO
cat >go/main.go <<'GO'
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"
)

type user struct{ credentials []webauthn.Credential }

func (user) WebAuthnID() []byte                           { return []byte("joe") }
func (user) WebAuthnName() string                         { return "joe" }
func (user) WebAuthnDisplayName() string                  { return "Joe" }
func (u user) WebAuthnCredentials() []webauthn.Credential { return u.credentials }

type passkey struct {
	Number     int
	Registered json.RawMessage
	SignedIn   json.RawMessage `json:"signed_in"`
}

func request(body []byte) *http.Request {
	made, err := http.NewRequest(http.MethodPost, "/", bytes.NewReader(body))
	if err != nil {
		panic(err)
	}
	return made
}

func use(server *webauthn.WebAuthn, key passkey) error {
	session := webauthn.SessionData{Challenge: strings.Repeat("A", 43), UserID: []byte("joe")}
	session.CredParams = webauthn.CredentialParametersDefault()
	for _, number := range []int{-9, -19} {
		var allowed protocol.CredentialParameter
		if err := json.Unmarshal(fmt.Appendf(nil, `{"type":"public-key","alg":%d}`, number), &allowed); err != nil {
			return err
		}
		session.CredParams = append(session.CredParams, allowed)
	}
	credential, err := server.FinishRegistration(user{}, session, request(key.Registered))
	if err != nil {
		return err
	}
	_, err = server.FinishLogin(user{[]webauthn.Credential{*credential}}, session, request(key.SignedIn))
	return err
}

func main() {
	server, err := webauthn.New(&webauthn.Config{
		RPID: "example.org", RPDisplayName: "Example", RPOrigins: []string{"https://example.org"}})
	if err != nil {
		panic(err)
	}
	var keys []passkey
	file, err := os.ReadFile("passkeys.json")
	if err == nil {
		err = json.Unmarshal(file, &keys)
	}
	if err != nil {
		panic(err)
	}
	for _, key := range keys {
		if err := use(server, key); err != nil {
			fmt.Println("go-webauthn", key.Number, err)
		} else {
			fmt.Println("go-webauthn", key.Number, "taken")
		}
	}
}
GO
(cd go && GOFLAGS=-mod=mod go mod tidy 2>/dev/null && GOFLAGS=-mod=mod go build -o ../server .)

{ python/bin/python servers.py && node server.mjs && ./server; } | sort | tee seen

diff - <(sort seen) <<'SEEN'
fido2 -19 taken
fido2 -7 taken
fido2 -8 taken
fido2 -9 taken
go-webauthn -19 taken
go-webauthn -7 taken
go-webauthn -8 taken
go-webauthn -9 taken
simplewebauthn -19 Unexpected public key alg "-19"
simplewebauthn -7 taken
simplewebauthn -8 taken
simplewebauthn -9 Unexpected public key alg "-9"
simplewebauthn-told -19 Public key had invalid alg -19 (OKP)
simplewebauthn-told -7 taken
simplewebauthn-told -8 taken
simplewebauthn-told -9 Could not map COSE alg value of -9 to a WebCrypto hash alg name
webauthn -19 Unsupported credential public key alg "-19"
webauthn -7 taken
webauthn -8 taken
webauthn -9 Unsupported credential public key alg "-9"
SEEN
printf '\nas found\n'
