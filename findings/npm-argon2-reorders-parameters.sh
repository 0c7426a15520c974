#!/usr/bin/env bash
#
# The npm package `argon2` writes the parameters of a hash in another order since 0.45: memory, lanes, passes
# (`m=65536,p=4,t=3`), where 0.44 wrote memory, passes, lanes (`m=65536,t=3,p=4`). Libraries of other languages cannot read
# the new order, so they refuse the right password.
#
# Why it matters: two services that share a table of password hashes stop understanding each other after a minor update
# of one of them, and an export of accounts is refused by the system that imports it. The hash itself is right: with its
# parameters put back into the old order, every library accepts it. The PHC string format gives a function's parameters a
# fixed order, and argon2's is m, t, p.
#
# Seen with npm's argon2 0.44.0 and 0.45.1 (Node 20), hashing with the default settings:
#   reader                       0.44.0    0.45.1                 0.45.1, put in order
#   npm argon2 0.45.1            accepted  accepted               accepted
#   npm @node-rs/argon2 2.2.1    accepted  accepted               accepted
#   Python argon2-cffi 25.1.0    accepted  "Decoding failed"      accepted
#   Python passlib 1.7.4         accepted  malformed argon2 hash  accepted
#   Go alexedwards/argon2id 1.0  accepted  format does not match  accepted
set -euo pipefail

work="$(mktemp -d)"
trap 'chmod -R u+w "$work" && rm -rf "$work"' EXIT

for version in 0.44.0 0.45.1; do
    mkdir "$work/$version" && cd "$work/$version"
    echo '{"private": true}' >package.json
    npm install --silent --no-audit --no-fund --save-exact "argon2@$version" @node-rs/argon2@2.2.1
done
hash_with() { (cd "$work/$1" && node -e 'require("argon2").hash("s3cur3pass").then((hash) => console.log(hash))'); }
old="$(hash_with 0.44.0)"
new="$(hash_with 0.45.1)"
ordered="${new/p=4,t=3/t=3,p=4}"

cat >"$work/0.45.1/verify.cjs" <<'JS'
const [package, ...hashes] = process.argv.slice(2);
Promise.all(hashes.map((hash) => require(package).verify(hash, "s3cur3pass"))).then((all) =>
  console.log(all.map((good) => (good ? "accepted" : "refused")).join(" ")),
);
JS

python3 -m venv "$work/python"
"$work/python/bin/pip" install --quiet --disable-pip-version-check \
    argon2-cffi==25.1.0 argon2-cffi-bindings==26.2.0 passlib==1.7.4
cat >"$work/verify.py" <<'PYTHON'
import sys
import warnings

warnings.simplefilter("ignore")
from argon2 import PasswordHasher
from argon2.exceptions import VerificationError
from passlib.hash import argon2

VERIFY = {
    "argon2-cffi": lambda stored: PasswordHasher().verify(stored, "s3cur3pass"),
    "passlib": lambda stored: argon2.verify("s3cur3pass", stored),
}


def answer(stored):
    try:
        return "accepted" if VERIFY[sys.argv[1]](stored) else "refused"
    except (VerificationError, ValueError):
        return "refused"


print(*map(answer, sys.argv[2:]))
PYTHON

mkdir "$work/go" && cd "$work/go"
cat >main.go <<'GO'
package main

import (
	"fmt"
	"os"

	"github.com/alexedwards/argon2id"
)

func main() {
	for _, hash := range os.Args[1:] {
		if same, err := argon2id.ComparePasswordAndHash("s3cur3pass", hash); err == nil && same {
			fmt.Print("accepted ")
		} else {
			fmt.Print("refused ")
		}
	}
}
GO
{ go mod init finding && go get github.com/alexedwards/argon2id@v1.0.0; } >"$work/log" 2>&1

printf '0.44.0  %s\n0.45.1  %s\n\n' "$old" "$new"
[[ "$old" == '$argon2id$v=19$m=65536,t=3,p=4$'* && "$new" == '$argon2id$v=19$m=65536,p=4,t=3$'* ]]

# says READER EXPECTED COMMAND…: what a reader answers to the three hashes.
says() {
    local reader="$1" expected="$2" answer
    shift 2
    answer="$("$@" "$old" "$new" "$ordered" | xargs)"
    printf '%-28s %s\n' "$reader" "$answer"
    [[ "$answer" == "$expected" ]]
}
says "npm argon2" "accepted accepted accepted" node "$work/0.45.1/verify.cjs" argon2
says "npm @node-rs/argon2" "accepted accepted accepted" node "$work/0.45.1/verify.cjs" @node-rs/argon2
says "Python argon2-cffi" "accepted refused accepted" "$work/python/bin/python" "$work/verify.py" argon2-cffi
says "Python passlib" "accepted refused accepted" "$work/python/bin/python" "$work/verify.py" passlib
says "Go alexedwards/argon2id" "accepted refused accepted" go run .
echo "as found"
