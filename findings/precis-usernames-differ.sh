#!/usr/bin/env bash
#
# Three implementations of RFC 8265's profile UsernameCaseMapped give one Greek user two names, and disagree about which
# digits a name may have.
#
# Why it matters: if one service stores the canonical username and another service, in another language, looks it up, the
# account is not found, or a second one is made.
#
# Seen with Go's golang.org/x/text 0.44.0, Python's precis_i18n 1.1.2 (on CPython 3.11), Rust's precis-profiles 0.1.13:
#   ΟΔΟΣ  Go and Rust: οδοσ. Python: οδος, with a final sigma. Enforcing either answer again changes nothing.
#   ۱23   (Extended Arabic-Indic digit one, then ASCII digits) Python and Rust take it; Go refuses it by the Bidi Rule.
#   ١23   (Arabic-Indic digit one, then ASCII digits) all three refuse it.
#   jeẞica  all three: jeßica, and never jessica: PRECIS maps letter case and does not fold it.
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
names=("ΟΔΟΣ" "οδος" "۱23" "١23" "jeẞica")

mkdir "$work/go" && cd "$work/go"
cat >main.go <<'GO'
package main

import (
	"fmt"
	"os"

	"golang.org/x/text/secure/precis"
)

func main() {
	for _, name := range os.Args[1:] {
		enforced, err := precis.UsernameCaseMapped.String(name)
		if err != nil {
			enforced = "refused"
		}
		fmt.Println(enforced)
	}
}
GO
go mod init finding >"$work/log" 2>&1
go get golang.org/x/text@v0.44.0 >>"$work/log" 2>&1
go_says="$(go run . "${names[@]}")"

python3 -m venv "$work/python"
"$work/python/bin/pip" install --quiet --disable-pip-version-check precis_i18n==1.1.2
python_says="$("$work/python/bin/python" - "${names[@]}" <<'PYTHON'
import sys
from precis_i18n import get_profile

profile = get_profile("UsernameCaseMapped")
for name in sys.argv[1:]:
    try:
        print(profile.enforce(name))
    except UnicodeEncodeError:
        print("refused")
PYTHON
)"

mkdir -p "$work/rust/src" && cd "$work/rust"
cat >Cargo.toml <<'TOML'
[package]
name = "finding"
version = "0.0.0"
edition = "2021"

[dependencies]
precis-profiles = "=0.1.13"
TOML
cat >src/main.rs <<'RUST'
use precis_profiles::UsernameCaseMapped;
use precis_profiles::precis_core::profile::PrecisFastInvocation;

fn main() {
    for name in std::env::args().skip(1) {
        println!("{}", UsernameCaseMapped::enforce(name.as_str()).unwrap_or("refused".into()));
    }
}
RUST
rust_says="$(CARGO_TARGET_DIR="$work/target" cargo run --quiet -- "${names[@]}")"

printf 'sent   %s\nGo     %s\nPython %s\nRust   %s\n' "${names[*]}" "${go_says//$'\n'/ }" \
    "${python_says//$'\n'/ }" "${rust_says//$'\n'/ }"
[[ "${go_says//$'\n'/ }" == "οδοσ οδος refused refused jeßica" ]]
[[ "${python_says//$'\n'/ }" == "οδος οδος ۱23 refused jeßica" ]]
[[ "${rust_says//$'\n'/ }" == "οδοσ οδος ۱23 refused jeßica" ]]
echo "as found"
