#!/usr/bin/env bash
# Makes sure that an S3 server for the tests (moto) is in .tools/venv.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/install.sh

# The major version of moto is pinned; the marker names the installed one.
major=5
marker=.tools/venv/.moto-$major

# The marker says that moto was installed. Also check that it starts: the Python of the
# environment may have been removed.
if [ -e "$marker" ] && .tools/venv/bin/moto_server --help >/dev/null 2>&1; then exit 0; fi

# Without python3-venv, Debian's python3 has the module venv but not the pip to install into it.
if ! python3 -c 'import venv, ensurepip' >/dev/null 2>&1; then
    if command -v apt-get >/dev/null; then
        may_install "python3 with venv" "apt-get install python3-venv"
        echo "Installing python3-venv with apt."
        quietly as_root apt-get update
        apt_install python3 python3-venv
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
