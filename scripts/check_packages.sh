#!/usr/bin/env bash
# Checks the libraries as they are packaged, to verify that none needs a file outside its folder: unpacks the packages
# beside a copy of the workspace's manifest and checks them there. Unlike the verification of `cargo package`, this
# shares the checked dependencies with clippy, and never reads an unpacked package of the same version from a cache.
set -euo pipefail
cd "$(dirname "$0")/.."

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

cargo package --workspace --exclude mnist-trainer --no-verify --allow-dirty --target-dir "$scratch/target"
mkdir "$scratch/crates"
cp Cargo.toml Cargo.lock "$scratch"
echo "[patch.crates-io]" >> "$scratch/Cargo.toml"
for package in "$scratch"/target/package/*.crate; do
    tar -xf "$package" -C "$scratch/crates"
    name=$(basename "$package" .crate)
    echo "${name%-*} = { path = \"crates/$name\" }" >> "$scratch/Cargo.toml"
done
cargo check --release --workspace --manifest-path "$scratch/Cargo.toml" --target-dir target
