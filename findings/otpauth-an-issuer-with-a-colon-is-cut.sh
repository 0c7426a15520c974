#!/usr/bin/env bash
#
# The address of a one-time code's secret (otpauth://totp/ISSUER:ACCOUNT?…&issuer=ISSUER) cannot carry an issuer that has
# a colon. For "Acme: EU", two libraries write the colon of the path as it is, and two write it as %3A. Of the three that
# also read such addresses, one reads back what it wrote, and that one refuses what two of the others write.
#
# Why it matters: a service whose name has a colon (a region, a port, "Team: Product") gives people a QR code that their
# app shows under a wrong account, or does not take at all. So an issuer of one-time codes has no colon in its name.
#
# Seen on CPython 3.11, Node 20 and Go 1.26, for the issuer "Acme: EU" and the account "joe":
#   writes Acme%3A%20EU:joe   pyotp 2.12.1, npm's otpauth 9.5.2
#   writes Acme:%20EU:joe     npm's otplib 13.5.0, Go's pquerna/otp 1.5.0
#   reads both                otpauth and pquerna/otp: the account is " EU:joe"
#   reads the first           pyotp: the account is "joe"
#   refuses the second        pyotp: "If issuer is specified in both label and parameters, it should be equal."
# Without the colon, all of them write and read the issuer "Acme EU" and the account "joe".
set -euo pipefail

work="$(mktemp -d)"
trap 'chmod -R u+w "$work" && rm -rf "$work"' EXIT
cd "$work"

python3 -m venv python
python/bin/pip install --quiet --disable-pip-version-check pyotp==2.12.1
npm install --silent --no-audit --no-fund --ignore-scripts otpauth@9.5.2 otplib@13.5.0
mkdir go && cat >go/go.mod <<'GO'
module otpauth

go 1.23

require github.com/pquerna/otp v1.5.0
GO
cat >go/main.go <<'GO'
package main

import (
	"fmt"
	"os"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/totp"
)

func main() {
	if os.Args[1] == "write" {
		secret := []byte("0123456789abcdefghij")
		key, err := totp.Generate(totp.GenerateOpts{Issuer: os.Args[2], AccountName: os.Args[3], Secret: secret})
		if err != nil {
			panic(err)
		}
		fmt.Println(key.URL())
		return
	}
	key, err := otp.NewKeyFromURL(os.Args[2])
	if err != nil {
		fmt.Println("refused:", err)
		return
	}
	fmt.Printf("[%s] [%s]\n", key.Issuer(), key.AccountName())
}
GO
(cd go && GOFLAGS=-mod=mod go mod tidy 2>/dev/null && GOFLAGS=-mod=mod go build -o ../pquerna .)

cat >codes.py <<'PYTHON'
import sys

import pyotp

if sys.argv[1] == "write":
    print(pyotp.TOTP("GAYTEMZUGU3DOOBZMFRGGZDFMZTWQ2LK").provisioning_uri(name=sys.argv[3], issuer_name=sys.argv[2]))
else:
    try:
        code = pyotp.parse_uri(sys.argv[2])
        print(f"[{code.issuer}] [{code.name}]")
    except ValueError as error:
        print("refused:", error)
PYTHON
cat >npm.mjs <<'JS'
import * as otpauth from "otpauth";
import { generateURI } from "otplib";

const [library, verb, first, label] = process.argv.slice(2);
const secret = "GAYTEMZUGU3DOOBZMFRGGZDFMZTWQ2LK";
if (verb === "read") {
  const code = otpauth.URI.parse(first);
  console.log(`[${code.issuer}] [${code.label}]`);
} else if (library === "otpauth") {
  console.log(new otpauth.TOTP({ issuer: first, label, secret }).toString());
} else {
  console.log(generateURI({ issuer: first, label, secret }));
}
JS

pyotp() { python/bin/python codes.py "$@"; }
otpauth() { node npm.mjs otpauth "$@"; }
otplib() { node npm.mjs otplib "$@"; }
pquerna() { ./pquerna "$@"; }

for issuer in "Acme EU" "Acme: EU"; do
    for writer in pyotp otpauth otplib pquerna; do
        address="$("$writer" write "$issuer" joe)"
        printf '%s writes %s\n' "$writer" "${address%%\?*}"
        for reader in pyotp otpauth pquerna; do # otplib has no reader
            printf '  %s reads %s\n' "$reader" "$("$reader" read "$address")"
        done
    done
done | tee seen

diff - seen <<'SEEN'
pyotp writes otpauth://totp/Acme%20EU:joe
  pyotp reads [Acme EU] [joe]
  otpauth reads [Acme EU] [joe]
  pquerna reads [Acme EU] [joe]
otpauth writes otpauth://totp/Acme%20EU:joe
  pyotp reads [Acme EU] [joe]
  otpauth reads [Acme EU] [joe]
  pquerna reads [Acme EU] [joe]
otplib writes otpauth://totp/Acme%20EU:joe
  pyotp reads [Acme EU] [joe]
  otpauth reads [Acme EU] [joe]
  pquerna reads [Acme EU] [joe]
pquerna writes otpauth://totp/Acme%20EU:joe
  pyotp reads [Acme EU] [joe]
  otpauth reads [Acme EU] [joe]
  pquerna reads [Acme EU] [joe]
pyotp writes otpauth://totp/Acme%3A%20EU:joe
  pyotp reads [Acme: EU] [joe]
  otpauth reads [Acme: EU] [ EU:joe]
  pquerna reads [Acme: EU] [ EU:joe]
otpauth writes otpauth://totp/Acme%3A%20EU:joe
  pyotp reads [Acme: EU] [joe]
  otpauth reads [Acme: EU] [ EU:joe]
  pquerna reads [Acme: EU] [ EU:joe]
otplib writes otpauth://totp/Acme:%20EU:joe
  pyotp reads refused: If issuer is specified in both label and parameters, it should be equal.
  otpauth reads [Acme: EU] [ EU:joe]
  pquerna reads [Acme: EU] [ EU:joe]
pquerna writes otpauth://totp/Acme:%20EU:joe
  pyotp reads refused: If issuer is specified in both label and parameters, it should be equal.
  otpauth reads [Acme: EU] [ EU:joe]
  pquerna reads [Acme: EU] [ EU:joe]
SEEN
printf '\nas found\n'
