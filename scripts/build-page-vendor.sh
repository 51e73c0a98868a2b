#!/usr/bin/env bash
# Bundles the foreign code of the page: each page/vendor/NAME.js names the exports that the page takes, and becomes
# page/site/vendor/NAME.js, minified, and NAME.d.ts with its types. The same input makes the same bytes, whose hashes are
# in page/vendor/SHA256SUMS.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/install.sh

scripts/install-deno.sh
deno=$PWD/.tools/deno/bin/deno
export DENO_DIR=$PWD/.tools/deno/cache NO_COLOR=1

cd page/vendor
out=../site/vendor
rm -rf "$out"
mkdir -p "$out"
quietly "$deno" install --frozen

for entry in *.js; do
    name=${entry%.js}
    quietly "$deno" bundle --frozen --platform browser --minify --output "$out/$name.bundle" "$entry"
    {
        echo "// @ts-self-types=\"./$name.d.ts\""
        echo "// Made by \`make page-vendor\` from page/vendor/$entry. Licences: page/NOTICE."
        cat "$out/$name.bundle"
    } >"$out/$entry"
    rm "$out/$name.bundle"
    # The types are those of the packages, which `deno check --config page/vendor/deno.json` finds.
    cp "$entry" "$out/$name.d.ts"
done

# The look of uPlot's charts is a style sheet, which no bundle can hold.
cp "$DENO_DIR/npm/registry.npmjs.org/uplot/1.6.32/dist/uPlot.min.css" "$out/chart.css"

cd ..
sha256sum site/vendor/* >vendor/SHA256SUMS
