#!/usr/bin/env bash
# Makes sure that cargo-deny, which checks the dependencies, is on this machine.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/install.sh

# It reads one lock file, so it is compiled without optimisation: that takes less than half the time.
CARGO_PROFILE_DEV_DEBUG=0 cargo_tool deny --debug
