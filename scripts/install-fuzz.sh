#!/usr/bin/env bash
# Makes sure that cargo-fuzz, which feeds the parsers, is on this machine.
set -euo pipefail

if cargo fuzz --version >/dev/null 2>&1; then exit 0; fi

echo "Installing cargo-fuzz with cargo (it is compiled here: a few minutes)."
if ! cargo install --locked --quiet cargo-fuzz; then
    echo "install-fuzz: cargo could not install it; what it said is above. Any cargo-fuzz on PATH does." >&2
    exit 1
fi
