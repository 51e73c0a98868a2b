#!/usr/bin/env bash
# Makes sure that kubectl is on this machine: the manifests are rendered and tested with it.
set -euo pipefail
. "$(dirname "$0")/install.sh"

package kubectl kubernetes-client kubernetes-cli
