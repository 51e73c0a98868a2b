#!/usr/bin/env bash
# Makes sure that cargo-nextest, which runs the tests, is on this machine.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/install.sh

cargo_tool nextest
