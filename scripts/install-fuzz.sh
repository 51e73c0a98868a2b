#!/usr/bin/env bash
# Makes sure that cargo-fuzz, which feeds the parsers, is on this machine.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/install.sh

cargo_tool fuzz
