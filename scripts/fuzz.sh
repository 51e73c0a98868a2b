#!/usr/bin/env bash
# Feeds made-up input to each fuzz target for so many seconds, and stops at the first that fails.
# What it found interesting stays in fuzz/corpus, so that the next run begins where this one ended.
#
#   scripts/fuzz.sh SECONDS [TARGET…]
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${1:?say for how many seconds each target is to run}
shift
if (($# > 0)); then
    targets=("$@")
else
    mapfile -t targets < <(cargo fuzz list --fuzz-dir fuzz)
fi

# Without a sanitizer: there is no unsafe code of ours to watch, and so the stable compiler will do.
# One build for all of them; each alone would be linked anew.
flags=(--fuzz-dir fuzz --sanitizer none)
cargo fuzz build "${flags[@]}"

for target in "${targets[@]}"; do
    echo "== $target: $seconds s"
    mkdir -p "fuzz/corpus/$target"
    # libFuzzer's own word for a hang is 20 minutes; ours is 10 s.
    cargo fuzz run "${flags[@]}" "$target" "fuzz/corpus/$target" "fuzz/seeds/$target" -- \
        -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -max_len=8192 \
        -dict=fuzz/words.dict -print_final_stats=1
done
