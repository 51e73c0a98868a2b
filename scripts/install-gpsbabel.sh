#!/usr/bin/env bash
# Makes sure that gpsbabel, which reads and converts files of GPS receivers, is on this machine: it reads our tracks in
# the tests.
set -euo pipefail
. "$(dirname "$0")/install.sh"

package gpsbabel gpsbabel gpsbabel
