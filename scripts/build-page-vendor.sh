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

# In a folder of its own: esbuild reads packages from node_modules.
folder=.tools/page-vendor
out=$PWD/page/site/vendor
rm -rf "$folder" "$out"
mkdir -p "$folder" "$out"
cp page/vendor/*.js page/deno.json page/deno.lock scripts/page-vendor.js "$folder"
cd "$folder"
quietly "$deno" install --frozen --node-modules-dir=auto

for entry in "$OLDPWD"/page/vendor/*.js; do
    entry=$(basename "$entry")
    quietly "$deno" run --frozen --node-modules-dir=auto --allow-all page-vendor.js "$entry" "$out/$entry"
    # The types are those of the packages, which page/deno.json names.
    cp "$entry" "$out/${entry%.js}.d.ts"
done

# The look of uPlot's charts is a style sheet, which no bundle can hold.
cp node_modules/uplot/dist/uPlot.min.css "$out/chart.css"

cd "$OLDPWD/page"
sha256sum site/vendor/* >vendor/SHA256SUMS
