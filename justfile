# Recipes for https://just.systems. Each runs steps of `.ci/run`, which is all that CI runs: `bash .ci/run STEP` does
# without just.

# Lists the recipes.
default:
    @just --list

# Runs every step, or the steps that are named: `just ci fmt clippy`.
ci *steps:
    bash .ci/run {{ steps }}

# Runs what takes a minute or two before a commit.
quick: (ci "fmt proto clippy")

# Runs the tests of the workspace.
test: (ci "tests")

# Builds the release and tries it from outside.
smoke: (ci "release smoke")

# Runs the documents' commands against the release.
documents: (ci "release documents")

# Builds the pages of the crates, private items too.
doc: (ci "doc")

# Checks argon2-kernel by what the compiler does not check.
kernel: (ci "sanitizer miri constant-time fuzz vectors")

# Makes what a release consists of, in `dist`.
dist:
    packaging/dist

# Makes it of the program that `release` builds, and tries it.
try-dist: (ci "release dist")

# Lints and renders the Helm chart.
chart: (ci "chart")
