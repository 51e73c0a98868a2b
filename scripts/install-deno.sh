#!/usr/bin/env bash
# Makes sure that deno, which bundles the page's foreign code and checks the page's own, is in .tools/deno.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/install.sh

# Pinned, because another deno formats and checks otherwise.
version=2.9.8

if .tools/deno/bin/deno --version 2>/dev/null | grep -q "^deno $version "; then exit 0; fi

python_with_venv

echo "Installing deno $version into .tools/deno."
mkdir -p .tools
rm -rf .tools/deno
quietly python3 -m venv .tools/deno
pip_install .tools/deno "deno==$version"
.tools/deno/bin/deno --version >/dev/null || fail "deno was installed but does not start; what it said is above."
