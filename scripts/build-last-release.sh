#!/usr/bin/env bash
# Builds the programs of the last release from their commit, and prints the folder that they are in.
# The release has no tag yet: this commit stands for 0.1.
set -euo pipefail
cd "$(dirname "$0")/.."

commit=072ed0e
source=target/last-release-source

if ! [ -d "$source" ]; then
    git worktree prune
    git worktree add --quiet --detach "$source" "$commit"
fi
git -C "$source" checkout --quiet --detach "$commit"
CARGO_TARGET_DIR="$PWD/target/last-release" cargo build --locked --manifest-path "$source/Cargo.toml" \
    --bins -p ingestor -p persistor -p api -p dumper -p odograph >&2
echo "$PWD/target/last-release/debug"
