#!/usr/bin/env bash
# Makes the types of the API's answers, page/api.d.ts, from its description, page/openapi.json. With --check, writes
# nothing and fails if they are others.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/install.sh

scripts/install-deno.sh
export DENO_DIR=$PWD/.tools/deno/cache NO_COLOR=1

cd page
# With a lock of its own: neither the bundles nor the tests need what this downloads.
quietly ../.tools/deno/bin/deno run --no-config --lock=types.lock --frozen --no-prompt --allow-env --allow-read \
    --allow-write=. npm:openapi-typescript@7.13.0 openapi.json --output api.d.ts "$@"
