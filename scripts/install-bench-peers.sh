#!/usr/bin/env bash
# Provides the peers of `make bench`. InfluxDB and VictoriaMetrics come from Debian or Ubuntu. They
# are unpacked into .tools instead of installed, because their packages would start servers now and
# at every boot; the benchmarks start private ones. graphile-worker comes from npm, with a Node.js
# that is new enough for it. Datasette comes from PyPI. Chromium, in which the page is measured, comes
# from the package manager.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/install.sh

found() {
    [ -x ".tools/bin/$1" ] || command -v "$1" >/dev/null
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
    # Every Debian has its libraries; report a missing one here.
    if ldd ".tools/bin/$program" | grep 'not found' >&2; then
        fail "$program lacks the libraries above. Install the package $package and disable its service."
    fi
}

if ! .tools/bin/graphile-node -e 'require("./.tools/graphile/node_modules/graphile-worker")' 2>/dev/null; then
    python_with_venv
    echo "Installing graphile-worker into .tools."
    rm -rf .tools/graphile
    quietly python3 -m venv .tools/graphile
    node_from_python .tools/graphile
    npm_install .tools/graphile/bin .tools/graphile graphile-worker@0.18.0
    mkdir -p .tools/bin
    ln -sf ../graphile/bin/node .tools/bin/graphile-node
    quietly .tools/bin/graphile-node -e 'require("./.tools/graphile/node_modules/graphile-worker")'
fi

if ! .tools/bin/datasette --version >/dev/null 2>&1; then
    python_with_venv
    echo "Installing Datasette into .tools."
    rm -rf .tools/datasette
    quietly python3 -m venv .tools/datasette
    pip_install .tools/datasette datasette==0.65.2
    mkdir -p .tools/bin
    ln -sf ../datasette/bin/datasette .tools/bin/datasette
    quietly .tools/bin/datasette --version
fi

# Its package has no service. It has the server, too: one program, which goes by its name.
if ! { found redis-server && found redis-benchmark; } && command -v apt-get >/dev/null; then
    may_install "Redis's tools" "apt-get install redis-tools"
    echo "Installing redis-tools with apt."
    quietly as_root apt-get update
    apt_install redis-tools
    mkdir -p .tools/bin
    ln -sf "$(command -v redis-check-rdb)" .tools/bin/redis-server
    quietly .tools/bin/redis-server --version
fi

package chromium chromium chromium
package chromedriver chromium-driver chromedriver

if found influxd && found victoria-metrics; then exit 0; fi
command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null ||
    fail "the peers come from Debian's or Ubuntu's packages, and there is no apt here. Put influxd (1.x) and victoria-metrics on PATH, those you have; the benchmarks name what is missing."

for peer in influxdb:influxd victoria-metrics:victoria-metrics; do
    if ! found "${peer#*:}"; then
        echo "Unpacking ${peer%:*} into .tools."
        unpack "${peer%:*}" "${peer#*:}"
    fi
done
