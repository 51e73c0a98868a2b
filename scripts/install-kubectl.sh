#!/usr/bin/env bash
# Makes sure that kubectl is on this machine: the manifests are rendered and tested with it.
set -euo pipefail

fail() {
    printf 'install-kubectl: %s\n' "$1" >&2
    exit 1
}

may_install() {
    [ "$(id -u)" -eq 0 ] || command -v sudo >/dev/null || fail "kubectl is missing and installing it needs root. As root: apt-get install kubernetes-client, then try again."
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

# What the package managers have to say matters only when they fail.
quietly() {
    local log
    log=$(mktemp)
    if ! "$@" >"$log" 2>&1; then
        cat "$log" >&2
        rm -f "$log"
        fail "\`$*\` failed; what it said is above. kubectl can also be installed by hand and put on PATH."
    fi
    rm -f "$log"
}

if command -v kubectl >/dev/null; then exit 0; fi

if command -v apt-get >/dev/null; then
    may_install
    echo "Installing kubectl with apt."
    quietly as_root apt-get update
    quietly as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends kubernetes-client
elif command -v brew >/dev/null; then
    echo "Installing kubectl with brew."
    quietly brew install kubernetes-cli
else
    fail "kubectl is missing, and there is neither apt nor brew here. Install it and put it on PATH."
fi
