#!/usr/bin/env bash
# Feeds generated input to each fuzz target for SECONDS, and stops at the first that fails.
# Keeps interesting input in fuzz/corpus, so that the next run begins where this one ended.
#
#   scripts/fuzz.sh SECONDS [TARGET...]
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${1:?say for how many seconds each target is to run}
shift
if (($# > 0)); then
    targets=("$@")
else
    mapfile -t targets < <(cargo fuzz list --fuzz-dir fuzz)
fi

# Without a sanitizer: our code has no unsafe blocks, so the stable compiler suffices.
# One build for all targets; single builds would link each anew.
flags=(--fuzz-dir fuzz --sanitizer none)
cargo fuzz build "${flags[@]}"

for target in "${targets[@]}"; do
    echo "== $target: $seconds s"
    mkdir -p "fuzz/corpus/$target"
    # libFuzzer's default timeout is 20 minutes; ours is 10 s.
    cargo fuzz run "${flags[@]}" "$target" "fuzz/corpus/$target" "fuzz/seeds/$target" -- \
        -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -max_len=8192 \
        -dict=fuzz/words.dict -print_final_stats=1
done
