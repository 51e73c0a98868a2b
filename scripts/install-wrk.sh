#!/usr/bin/env bash
# Makes sure that the load generator wrk is on this machine, for the benchmarks of small posts and
# of questions.
set -euo pipefail
. "$(dirname "$0")/install.sh"

package wrk wrk wrk
