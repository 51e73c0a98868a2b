#!/usr/bin/env bash
# Makes sure that cargo-deny, which checks the dependencies, is on this machine.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/install.sh

cargo_tool deny
