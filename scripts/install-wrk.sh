#!/usr/bin/env bash
# Makes sure that the load generator wrk is on this machine: the benchmarks of small posts and of
# questions are measured with it.
set -euo pipefail
. "$(dirname "$0")/install.sh"

if command -v wrk >/dev/null; then exit 0; fi

if command -v apt-get >/dev/null; then
    may_install "wrk" "apt-get install wrk"
    echo "Installing wrk with apt."
    quietly as_root apt-get update
    apt_install wrk
elif command -v brew >/dev/null; then
    echo "Installing wrk with brew."
    quietly brew install wrk
else
    fail "wrk is missing, and there is neither apt nor brew here. Install it and put it on PATH."
fi
