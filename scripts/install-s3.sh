#!/usr/bin/env bash
# Makes sure that an S3 server for the tests (moto) is in .tools/venv.
set -euo pipefail
cd "$(dirname "$0")/.."

# A new major version of moto is taken on purpose, not by chance; the marker names the one inside.
major=5
marker=.tools/venv/.moto-$major

fail() {
    printf 'install-s3: %s\n' "$1" >&2
    exit 1
}

may_install() {
    [ "$(id -u)" -eq 0 ] || command -v sudo >/dev/null || fail "python3 with venv is missing and installing it needs root. As root: apt-get install python3-venv, then try again."
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
        fail "\`$*\` failed; what it said is above."
    fi
    rm -f "$log"
}

# The marker says that it was installed; that it still starts is tried, since the Python that the
# environment points to may have gone.
if [ -e "$marker" ] && .tools/venv/bin/moto_server --help >/dev/null 2>&1; then exit 0; fi

# Debian's python3 has the module venv but, without python3-venv, not the pip that it puts inside.
if ! python3 -c 'import venv, ensurepip' >/dev/null 2>&1; then
    if command -v apt-get >/dev/null; then
        may_install
        echo "Installing python3-venv with apt."
        quietly as_root apt-get update
        quietly as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends python3 python3-venv
    elif command -v brew >/dev/null; then
        echo "Installing python3 with brew."
        quietly brew install python3
    else
        fail "python3 with venv is missing, and there is neither apt nor brew here. Install it and put it on PATH."
    fi
fi

echo "Installing the S3 server for the tests (moto) into .tools/venv."
mkdir -p .tools
rm -rf .tools/venv
quietly python3 -m venv .tools/venv
quietly .tools/venv/bin/python -m pip install --disable-pip-version-check "moto[server]>=$major,<$((major + 1))"
.tools/venv/bin/moto_server --help >/dev/null || fail "moto_server was installed but does not start; what it said is above."
touch "$marker"
