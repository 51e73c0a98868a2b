#!/usr/bin/env bash
# Makes sure that libfaketime is on this machine: the tests of wrong clocks run the programs under it.
set -euo pipefail
. "$(dirname "$0")/install.sh"

package faketime faketime libfaketime
