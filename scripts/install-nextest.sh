#!/usr/bin/env bash
# Makes sure that cargo-nextest, which runs the tests, is on this machine.
set -euo pipefail

if cargo nextest --version >/dev/null 2>&1; then exit 0; fi

echo "Installing cargo-nextest with cargo (it is compiled here: a few minutes)."
if ! cargo install --locked --quiet cargo-nextest; then
    echo "install-nextest: cargo could not install it; what it said is above. Any cargo-nextest on PATH does." >&2
    exit 1
fi
