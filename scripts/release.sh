#!/usr/bin/env bash
# Builds the files of a release for Linux, into target/release-files or into the folder given as the first argument:
# an archive with the program, its man pages and its shell completions; the list of its dependencies (SBOM, CycloneDX);
# and the checksums of both.
#
# The program is linked statically with musl, so it runs on any Linux. This needs a target of rustup and a C compiler
# for musl:
#     rustup target add "$(uname -m)-unknown-linux-musl"
#     apt install musl-tools
# Without them, it is linked with this machine's glibc, and the script prints the oldest glibc that can run it.
# The SBOM needs `cargo install cargo-cyclonedx --locked`. It names each crate in the program, and also crates that Burn's
# optional features would add: `cargo metadata` does not tell them apart.
set -euo pipefail
cd "$(dirname "$0")/.."

out=$(realpath -m "${1:-target/release-files}")
metadata=$(cargo metadata --no-deps --format-version 1)
field() { grep -o "\"$1\":\"[^\"]*\"" <<< "$metadata" | head -1 | cut -d'"' -f4; }
version=$(field version)
built=$(field target_directory)
machine=$(uname -m)
if [ -n "$(git status --porcelain)" ]; then
    echo "There are uncommitted changes: the archive will contain them" >&2
fi

target=$machine-unknown-linux-musl
if [ -d "$(rustc --print sysroot)/lib/rustlib/$target" ] && command -v musl-gcc > /dev/null; then
    export "CC_${target//-/_}=musl-gcc"
else
    target=$machine-unknown-linux-gnu
    echo "musl is not installed: linking with glibc" >&2
fi
cargo build --release --locked -p mnist-trainer --target "$target"
program=$built/$target/release/mnist-trainer

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
name=mnist-trainer-$version-$target
mkdir -p "$scratch/$name/completions" "$out"
rm -f "$out/$name".*
cp "$program" README.md CHANGELOG.md LICENSE-APACHE LICENSE-MIT "$scratch/$name"
strip "$scratch/$name/mnist-trainer"
"$program" man "$scratch/$name/man" > "$scratch/man.log"
for shell in bash fish zsh; do
    "$program" completions "$shell" > "$scratch/$name/completions/mnist-trainer.$shell"
done

# Nothing in the archive depends on who packs it, or when.
time=$(git log -1 --format=%ct)
tar -C "$scratch" --sort=name --owner=0 --group=0 --numeric-owner --mode=u+rw,go=rX --mtime="@$time" -c "$name" |
    gzip -n > "$out/$name.tar.gz"

sbom=$name.cdx
if cargo cyclonedx --version > /dev/null 2>&1; then
    SOURCE_DATE_EPOCH=$time cargo cyclonedx --manifest-path crates/trainer/Cargo.toml --format json --target "$target" \
        --override-filename "$sbom" --quiet
    mv "crates/trainer/$sbom.json" "$out"
    # The tool writes a file beside each crate that the program uses.
    rm -f crates/*/"$sbom.json"
else
    echo "cargo-cyclonedx is not installed: skipping the SBOM" >&2
fi
sums=$(cd "$out" && sha256sum "$name".*)
echo "$sums" > "$out/$name.sha256"

ls -l "$out"
if [[ $target == *gnu ]]; then
    oldest=$(objdump -T "$program" | grep -o 'GLIBC_[0-9.]*' | sort -Vu | tail -1)
    echo "The program needs ${oldest/_/ } or newer."
fi
