#!/usr/bin/env bash
# Makes sure that deno, which bundles the page's foreign code and checks the page's own, is in .tools/deno.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/install.sh

# Pinned, because another deno formats and checks otherwise.
version=2.9.8
hashes=(
    b1d1318e7deda8efd593aefa8b565a827fe71cf83aeff09d3a5ceb047444ca18 # Linux on x86_64
    3e286918a36f436134336c5c6ef37dfe3a27f16ea22cd6af452ab7daa4ef1da4 # Linux on aarch64
    338245af268724ae55ebebdb81270a0553b665affde8bdd80b01b8f1c07c7163 # macOS on x86_64
    b82eac91d3e3f6fe37d94a12f833550e05029274cb9020b1e3f0f61e1678dc24 # macOS on arm64
)

if .tools/deno/bin/deno --version 2>/dev/null | grep -q "^deno $version "; then exit 0; fi

python_with_venv

echo "Installing deno $version into .tools/deno."
mkdir -p .tools
rm -rf .tools/deno
quietly python3 -m venv .tools/deno
# pip takes hashes from files alone.
{
    printf 'deno==%s' "$version"
    printf ' --hash=sha256:%s' "${hashes[@]}"
} >.tools/deno/requirements.txt
pip_install .tools/deno --require-hashes --no-deps --requirement .tools/deno/requirements.txt
.tools/deno/bin/deno --version >/dev/null || fail "deno was installed but does not start; what it said is above."
