#!/usr/bin/env bash
# Checks all dependencies against the rules in deny.toml, with cargo-deny (`cargo install cargo-deny --locked`).
# Licenses, duplicates and sources are always checked. Security advisories need the RustSec database: this downloads
# it, or uses the copy of an earlier run, or prints that the check was skipped.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo deny --locked check licenses bans sources

scratch=$(mktemp)
trap 'rm -f "$scratch"' EXIT
if cargo deny --locked fetch db 2> "$scratch"; then
    cargo deny --locked check advisories
elif ls -d "${CARGO_HOME:-$HOME/.cargo}"/advisory-dbs/*/.git > /dev/null 2>&1; then
    cat "$scratch" >&2
    echo "the RustSec database cannot be downloaded: checking advisories with the copy of an earlier run"
    cargo deny --locked --offline check advisories
else
    cat "$scratch" >&2
    echo "the RustSec database cannot be downloaded, and there is no copy of it: skipping the check of advisories"
fi
