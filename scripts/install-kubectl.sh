#!/usr/bin/env bash
# Makes sure that kubectl is on this machine: the manifests are rendered and tested with it.
set -euo pipefail
. "$(dirname "$0")/install.sh"

if command -v kubectl >/dev/null; then exit 0; fi

if command -v apt-get >/dev/null; then
    may_install "kubectl" "apt-get install kubernetes-client"
    echo "Installing kubectl with apt."
    quietly as_root apt-get update
    apt_install kubernetes-client
elif command -v brew >/dev/null; then
    echo "Installing kubectl with brew."
    quietly brew install kubernetes-cli
else
    fail "kubectl is missing, and there is neither apt nor brew here. Install it and put it on PATH."
fi
