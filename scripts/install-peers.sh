#!/usr/bin/env bash
# Makes sure that the libraries of others, which the tests compare ours with, are in .tools/peers.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/install.sh

libraries=(
    standardwebhooks==1.1.0 # verifies webhooks
    cloudevents==2.2.0      # reads CloudEvents
    PyJWT==2.15.1           # signs tokens
    cel-python==0.5.0       # evaluates filters
    shapely==2.2.0          # knows what is inside an area
)
marker=.tools/peers/installed

# The marker lists the installed libraries. Also check that Python starts: it may have been removed.
if [ "$(cat "$marker" 2>/dev/null)" = "${libraries[*]}" ] && .tools/peers/bin/python -c '' 2>/dev/null; then exit 0; fi

python_with_venv

echo "Installing ${libraries[*]} into .tools/peers."
mkdir -p .tools
rm -rf .tools/peers
quietly python3 -m venv .tools/peers
quietly .tools/peers/bin/python -m pip install --disable-pip-version-check "${libraries[@]}"
quietly .tools/peers/bin/python -c 'import standardwebhooks, cloudevents, jwt, celpy, shapely'
echo "${libraries[*]}" >"$marker"
