#!/usr/bin/env bash
# Makes sure that Chromium and its chromedriver are on this machine, and that axe-core, which finds what is inaccessible,
# is in .tools/axe: the tests of the page use them.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/install.sh

axe=axe-core@4.14.1
marker=.tools/axe/installed

package chromium chromium chromium
package chromedriver chromium-driver chromedriver

if [ "$(cat "$marker" 2>/dev/null)" = "$axe" ] && [ -e .tools/axe/node_modules/axe-core/axe.min.js ]; then exit 0; fi

# Its Node.js has npm.
scripts/install-peers.sh
echo "Installing $axe into .tools/axe."
mkdir -p .tools
rm -rf .tools/axe
npm_install .tools/peers/bin .tools/axe "$axe"
echo "$axe" >"$marker"
