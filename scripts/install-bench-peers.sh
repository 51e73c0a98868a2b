#!/usr/bin/env bash
# Makes sure that what `make bench` stands beside is on this machine: InfluxDB, VictoriaMetrics and
# the load generator wrk, as Debian and Ubuntu ship them. The two databases are unpacked into .tools
# and not installed, because their packages would start servers now and at every boot; the
# benchmarks start private ones.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() {
    printf 'install-bench-peers: %s\n' "$1" >&2
    exit 1
}

found() {
    [ -x ".tools/bin/$1" ] || command -v "$1" >/dev/null
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

# What apt has to say matters only when it fails.
quietly() {
    local log
    log=$(mktemp)
    if ! "$@" >"$log" 2>&1; then
        cat "$log" >&2
        rm -f "$log"
        fail "\`$*\` failed; what it said is above."
    fi
    rm -f "$log"
}

# With its lists in a scratch folder, apt needs no root and changes nothing on the machine.
unpack() {
    local package=$1 program=$2 scratch options
    scratch=$(mktemp -d)
    # shellcheck disable=SC2064 # the folder's name is wanted as it is now
    trap "rm -rf '$scratch'" EXIT
    mkdir -p "$scratch/lists/partial" "$scratch/cache/archives/partial"
    options=(
        -o "Dir::State::lists=$scratch/lists"
        -o "Dir::Cache=$scratch/cache"
        # As root, apt would fetch as a user who cannot enter the scratch folder.
        -o "APT::Sandbox::User=$(id -un)"
    )
    quietly apt-get "${options[@]}" update
    (cd "$scratch" && quietly apt-get "${options[@]}" download "$package")
    rm -rf ".tools/$package"
    mkdir -p ".tools/$package" .tools/bin
    dpkg-deb -x "$scratch/${package}"_*.deb ".tools/$package"
    rm -rf "$scratch"
    ln -sf "../$package/usr/bin/$program" ".tools/bin/$program"
    # Its libraries are those that every Debian has; a machine that lacks one should hear it here.
    if ldd ".tools/bin/$program" | grep 'not found' >&2; then
        fail "$program lacks the libraries above. Install the package $package and disable its service."
    fi
}

if found influxd && found victoria-metrics && found wrk; then exit 0; fi
command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null ||
    fail "the peers come from Debian's or Ubuntu's packages, and there is no apt here. Put influxd (1.x), victoria-metrics and wrk on PATH, those you have; the benchmarks name what is missing."

for peer in influxdb:influxd victoria-metrics:victoria-metrics; do
    if ! found "${peer#*:}"; then
        echo "Unpacking ${peer%:*} into .tools."
        unpack "${peer%:*}" "${peer#*:}"
    fi
done

# A tool and no server, so it may be installed.
if ! found wrk; then
    [ "$(id -u)" -eq 0 ] || command -v sudo >/dev/null || fail "wrk is missing and installing it needs root. As root: apt-get install wrk, then try again."
    echo "Installing wrk with apt."
    quietly as_root apt-get update
    quietly as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends wrk
fi
