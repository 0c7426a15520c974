#!/usr/bin/env bash
#
# Three token libraries that hold an issuer's key refuse its tokens when the key set in their cache is too old and the
# issuer does not answer. Nothing looks for newer keys before a request needs them, so an outage of a second that meets
# the end of the cache's life is enough. Two libraries for Go go on with the keys that they have.
#
# Why it matters: "tokens can be verified while the issuer is away" holds for the rest of the cache's life only, which is
# between nothing and 5 or 10 minutes. And nothing is wrong with the token then: a service that answers 401 to every
# error of the library signs its users out. PyJWT's error is a PyJWTError, as for a forged token; jose's is that of
# `fetch`; Spring's is a JwtException, and not a BadJwtException as for a forged token.
#
# Each library verifies one token by ES256, with its defaults. Then the issuer stops, and 11 minutes later the library
# verifies the same token again.
#
# Seen on CPython 3.11, Node 20, Go 1.26 and OpenJDK 17:
#   refuse  PyJWT 2.15.1 (`lifespan`, 5 minutes), npm's jose 6.2.18 (`cacheMaxAge`, 10 minutes),
#           Spring Security 7.1.2 (Nimbus 10.9.1, 5 minutes)
#   accept  keyfunc 3.9.2 with golang-jwt 5.3.1, go-oidc 3.21.0 with go-jose 4.1.9
set -euo pipefail

work="$(mktemp -d)"
issuer=""
trap '[[ -z "$issuer" ]] || kill "$issuer"; chmod -R u+w "$work" && rm -rf "$work"' EXIT
cd "$work"

python3 -m venv python
python/bin/pip install --quiet --disable-pip-version-check cryptography==50.0.2 PyJWT==2.15.1
mkdir served
python/bin/python - <<'PYTHON'
import json
import time
from pathlib import Path

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

key = ec.generate_private_key(ec.SECP256R1())
jwk = jwt.algorithms.ECAlgorithm.to_jwk(key.public_key(), as_dict=True) | {"kid": "now", "alg": "ES256", "use": "sig"}
Path("served/jwks.json").write_text(json.dumps({"keys": [jwk]}))
claims = {"sub": "alice", "iat": int(time.time()), "exp": int(time.time()) + 3600}
Path("token").write_text(jwt.encode(claims, key, "ES256", headers={"kid": "now"}))
PYTHON

# Every program says what it makes of the token, waits for a line of input, and says so again.
cat >verify.py <<'PYTHON'
import sys
from pathlib import Path

import jwt

token, keys = Path("token").read_text(), jwt.PyJWKClient(sys.argv[1])
for _ in range(2):
    try:
        jwt.decode(token, keys.get_signing_key_from_jwt(token), algorithms=["ES256"])
        print("PyJWT accepts", flush=True)
    except Exception as error:
        print(f"PyJWT refuses ({error!r})", flush=True)
    sys.stdin.readline()
PYTHON

mkdir node
echo '{"private": true}' >node/package.json
npm install --silent --no-audit --no-fund --save-exact --prefix node jose@6.2.18
cat >node/verify.mjs <<'JS'
import { readFileSync } from "node:fs";
import { createRemoteJWKSet, jwtVerify } from "jose";

const token = readFileSync("token", "utf8");
const keys = createRemoteJWKSet(new URL(process.argv[2]));
const verify = () =>
  jwtVerify(token, keys, { algorithms: ["ES256"] }).then(
    () => console.log("jose accepts"),
    (error) => console.log(`jose refuses (${error})`),
  );
await verify();
process.stdin.once("data", () => verify().then(() => process.exit()));
JS

mkdir go
cat >go/main.go <<'GO'
package main

import (
	"bufio"
	"context"
	"fmt"
	"os"

	"github.com/MicahParks/keyfunc/v3"
	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/golang-jwt/jwt/v5"
)

func main() {
	bytes, _ := os.ReadFile("token")
	token := string(bytes)
	keys, err := keyfunc.NewDefault([]string{os.Args[1]})
	if err != nil {
		panic(err)
	}
	set := oidc.NewRemoteKeySet(context.Background(), os.Args[1])
	verifier := oidc.NewVerifier("", set, &oidc.Config{
		SkipClientIDCheck: true, SkipIssuerCheck: true, SupportedSigningAlgs: []string{"ES256"},
	})
	say := func(library string, err error) {
		if err != nil {
			fmt.Printf("%s refuses (%v)\n", library, err)
			return
		}
		fmt.Println(library, "accepts")
	}
	input := bufio.NewReader(os.Stdin)
	for range 2 {
		_, err := jwt.Parse(token, keys.Keyfunc, jwt.WithValidMethods([]string{"ES256"}))
		say("keyfunc", err)
		_, err = verifier.Verify(context.Background(), token)
		say("go-oidc", err)
		_, _ = input.ReadString('\n')
	}
}
GO
(
    cd go
    go mod init finding
    go get github.com/MicahParks/keyfunc/v3@v3.9.2 github.com/golang-jwt/jwt/v5@v5.3.1 \
        github.com/coreos/go-oidc/v3@v3.21.0 github.com/go-jose/go-jose/v4@v4.1.9
    go mod tidy
    go build -o ../verify-go .
) >log 2>&1

mkdir -p java/src/main/java
cat >java/pom.xml <<'XML'
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>finding</groupId>
  <artifactId>finding</artifactId>
  <version>0</version>
  <properties>
    <maven.compiler.release>17</maven.compiler.release>
    <exec.mainClass>Verify</exec.mainClass>
  </properties>
  <dependencies>
    <dependency>
      <groupId>org.springframework.security</groupId>
      <artifactId>spring-security-oauth2-jose</artifactId>
      <version>7.1.2</version>
    </dependency>
  </dependencies>
  <build>
    <plugins>
      <plugin>
        <groupId>org.apache.maven.plugins</groupId>
        <artifactId>maven-compiler-plugin</artifactId>
        <version>3.14.1</version>
      </plugin>
      <plugin>
        <groupId>org.codehaus.mojo</groupId>
        <artifactId>exec-maven-plugin</artifactId>
        <version>3.6.2</version>
      </plugin>
    </plugins>
  </build>
</project>
XML
cat >java/src/main/java/Verify.java <<'JAVA'
import java.nio.file.Files;
import java.nio.file.Path;
import org.springframework.security.oauth2.jose.jws.SignatureAlgorithm;
import org.springframework.security.oauth2.jwt.JwtDecoder;
import org.springframework.security.oauth2.jwt.JwtException;
import org.springframework.security.oauth2.jwt.NimbusJwtDecoder;

public final class Verify {
    public static void main(String[] arguments) throws Exception {
        String token = Files.readString(Path.of("token"));
        JwtDecoder decoder = NimbusJwtDecoder.withJwkSetUri(System.getenv("JWKS_URL"))
                .jwsAlgorithm(SignatureAlgorithm.ES256).build();
        for (int i = 0; i < 2; i++) {
            try {
                decoder.decode(token);
                System.out.println("Spring accepts");
            } catch (JwtException error) {
                System.out.println("Spring refuses (" + error + ")");
            }
            System.in.read();
        }
    }
}
JAVA
maven() { mvn --quiet --batch-mode --no-transfer-progress -Dstyle.color=never --file java/pom.xml "$@"; }
maven compile >log 2>&1

python3 -u -m http.server 0 --bind 127.0.0.1 --directory served >issuer.log 2>&1 &
issuer=$!
until port="$(sed -n 's/.* port \([0-9]*\) .*/\1/p' issuer.log)" && [[ -n "$port" ]]; do sleep 0.1; done
url="http://127.0.0.1:$port/jwks.json"

mkfifo go-on-{python,node,go,java}
python/bin/python verify.py "$url" <go-on-python >python.txt &
programs=($!)
exec 3>go-on-python
node node/verify.mjs "$url" <go-on-node >node.txt 3>&- &
programs+=($!)
exec 4>go-on-node
./verify-go "$url" <go-on-go >go.txt 3>&- 4>&- &
programs+=($!)
exec 5>go-on-go
JWKS_URL="$url" maven exec:java <go-on-java >java.txt 3>&- 4>&- 5>&- &
programs+=($!)
exec 6>go-on-java

# Maven writes codes of colours between the lines.
said() { cat "$@" | grep -oE '(PyJWT|jose|keyfunc|go-oidc|Spring) (accepts|refuses.*)'; }
until (($(said {python,node,go,java}.txt | wc -l) == 5)); do sleep 0.2; done
echo "while the issuer answers:"
said {python,node,go,java}.txt | tee before.txt
[[ "$(grep -c accepts before.txt)" == 5 ]]

kill "$issuer"
issuer=""
sleep "${SECONDS_AWAY:-660}"
for descriptor in 3 4 5 6; do printf '\n\n' >&"$descriptor"; done
wait "${programs[@]}" || true
echo "11 minutes after it stopped:"
said {python,node,go,java}.txt | awk '++seen[$1] == 2' | tee after.txt
[[ "$(grep ' refuses' after.txt | cut -d ' ' -f 1 | xargs)" == "PyJWT jose Spring" ]]
[[ "$(grep ' accepts' after.txt | cut -d ' ' -f 1 | xargs)" == "keyfunc go-oidc" ]]
echo "as found"
