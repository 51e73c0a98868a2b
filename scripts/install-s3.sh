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

python_with_venv

echo "Installing the S3 server for the tests (moto) into .tools/venv."
mkdir -p .tools
rm -rf .tools/venv
quietly python3 -m venv .tools/venv
pip_install .tools/venv "moto[server]>=$major,<$((major + 1))"
.tools/venv/bin/moto_server --help >/dev/null || fail "moto_server was installed but does not start; what it said is above."
touch "$marker"
