#!/usr/bin/env bash
#
# One ML-DSA public key in a JSON Web Key Set makes four token libraries refuse every key of the set, also the ES256 key
# that signed the token at hand. Five others skip the key that they do not know.
#
# Why it matters: an issuer that publishes its first post-quantum key ahead of time, as key rotation asks for, signs
# every user out of the services that use those four, before the new key has signed anything. RFC 7517 (section 5) asks
# readers to ignore keys of a type that they do not understand. So an issuer keeps such a key in a set of its own.
#
# The set has two keys: an EC key, `kid` "now", and one of type "AKP", `kid` "next". The token is signed by "now".
#
# Seen on CPython 3.11, Node 20 and Go 1.26:
#   accept the token  PyJWT 2.15.1, joserfc 1.8.0, jwcrypto 1.6.1, python-jose 3.5.0, npm's jose 6.2.18
#   refuse the set    Authlib 1.9.10 (KeyError: 'AKP'), go-jose 4.1.9, jwx 3.4.0, keyfunc 3.9.2
# All nine accept the token when the set has the EC key alone.
set -euo pipefail

work="$(mktemp -d)"
trap 'chmod -R u+w "$work" && rm -rf "$work"' EXIT
cd "$work"

python3 -m venv python
python/bin/pip install --quiet --disable-pip-version-check cryptography==50.0.2 PyJWT==2.15.1 Authlib==1.9.10 \
    joserfc==1.8.0 jwcrypto==1.6.1 python-jose==3.5.0
python/bin/python - <<'PYTHON'
import json
import time
from base64 import urlsafe_b64encode
from pathlib import Path

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, mldsa

now = ec.generate_private_key(ec.SECP256R1())
ec_key = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(now.public_key())) | {"kid": "now", "alg": "ES256", "use": "sig"}
pub = urlsafe_b64encode(mldsa.MLDSA65PrivateKey.generate().public_key().public_bytes_raw()).rstrip(b"=").decode()
akp_key = {"kty": "AKP", "alg": "ML-DSA-65", "pub": pub, "kid": "next", "use": "sig"}
Path("one.json").write_text(json.dumps({"keys": [ec_key]}))
Path("two.json").write_text(json.dumps({"keys": [ec_key, akp_key]}))
claims = {"sub": "alice", "iat": int(time.time()), "exp": int(time.time()) + 600}
Path("token").write_text(jwt.encode(claims, now, "ES256", headers={"kid": "now"}))
PYTHON

cat >verify.py <<'PYTHON'
import json
import sys
from pathlib import Path

import authlib.jose
import joserfc.jwk
import joserfc.jwt
import jose.jwt
import jwcrypto.jwk
import jwcrypto.jwt
import jwt

token = Path("token").read_text()
VERIFY = {
    "PyJWT": lambda text: jwt.decode(token, jwt.PyJWKSet.from_json(text)["now"].key, algorithms=["ES256"]),
    "joserfc": lambda text: joserfc.jwt.decode(token, joserfc.jwk.KeySet.import_key_set(json.loads(text))),
    "jwcrypto": lambda text: jwcrypto.jwt.JWT(jwt=token, key=jwcrypto.jwk.JWKSet.from_json(text)),
    "python-jose": lambda text: jose.jwt.decode(token, json.loads(text), algorithms=["ES256"]),
    "Authlib": lambda text: authlib.jose.jwt.decode(token, authlib.jose.JsonWebKey.import_key_set(json.loads(text))),
}
for library, verify in VERIFY.items():
    try:
        verify(Path(sys.argv[1]).read_text())
        print(library, "accepts")
    except Exception as error:
        print(library, "refuses")
        print(f"{library}: {error!r}", file=sys.stderr)
PYTHON

mkdir node
echo '{"private": true}' >node/package.json
npm install --silent --no-audit --no-fund --save-exact --prefix node jose@6.2.18
cat >node/verify.mjs <<'JS'
import { readFileSync } from "node:fs";
import { createLocalJWKSet, jwtVerify } from "jose";

const set = createLocalJWKSet(JSON.parse(readFileSync(process.argv[2], "utf8")));
await jwtVerify(readFileSync("token", "utf8"), set).then(
  () => console.log("jose accepts"),
  () => console.log("jose refuses"),
);
JS

mkdir go
cat >go/main.go <<'GO'
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/MicahParks/keyfunc/v3"
	"github.com/go-jose/go-jose/v4"
	josejwt "github.com/go-jose/go-jose/v4/jwt"
	"github.com/golang-jwt/jwt/v5"
	"github.com/lestrrat-go/jwx/v3/jwk"
	jwxjwt "github.com/lestrrat-go/jwx/v3/jwt"
)

func goJose(token string, text []byte) error {
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(text, &set); err != nil {
		return err
	}
	parsed, err := josejwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		return err
	}
	return parsed.Claims(set, &josejwt.Claims{})
}

func jwx(token string, text []byte) error {
	set, err := jwk.Parse(text)
	if err != nil {
		return err
	}
	_, err = jwxjwt.Parse([]byte(token), jwxjwt.WithKeySet(set))
	return err
}

func keyFunc(token string, text []byte) error {
	set, err := keyfunc.NewJWKSetJSON(text)
	if err != nil {
		return err
	}
	_, err = jwt.Parse(token, set.Keyfunc)
	return err
}

func main() {
	token, _ := os.ReadFile("token")
	text, _ := os.ReadFile(os.Args[1])
	say := func(library string, err error) {
		if err != nil {
			fmt.Println(library, "refuses")
			fmt.Fprintf(os.Stderr, "%s: %v\n", library, err)
			return
		}
		fmt.Println(library, "accepts")
	}
	say("go-jose", goJose(string(token), text))
	say("jwx", jwx(string(token), text))
	say("keyfunc", keyFunc(string(token), text))
}
GO
(
    cd go
    go mod init finding
    go get github.com/go-jose/go-jose/v4@v4.1.9 github.com/lestrrat-go/jwx/v3@v3.4.0 \
        github.com/MicahParks/keyfunc/v3@v3.9.2 github.com/golang-jwt/jwt/v5@v5.3.1
    go mod tidy
    go build -o ../verify-go .
) >log 2>&1

answers() {
    python/bin/python verify.py "$1"
    node node/verify.mjs "$1"
    ./verify-go "$1"
}
echo "the EC key alone:"
answers one.json | tee one.txt
echo "with the ML-DSA key beside it:"
answers two.json | tee two.txt
[[ "$(grep -c accepts one.txt)" == 9 ]]
[[ "$(grep refuses two.txt | cut -d ' ' -f 1 | xargs)" == "Authlib go-jose jwx keyfunc" ]]
[[ "$(grep -c accepts two.txt)" == 5 ]]
echo "as found"
