#!/usr/bin/env bash
# Makes sure that PgBouncer is on PATH or in .tools/bin. On Debian and Ubuntu, unpacks the package
# and its libraries into .tools: needs no root, and installs or starts no service.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/install.sh

found() {
    .tools/bin/pgbouncer --version >/dev/null 2>&1 || PATH=$PATH:/usr/sbin pgbouncer --version >/dev/null 2>&1
}

# apt keeps its lists and downloads in a scratch folder, and fetches only missing packages.
unpack_with_apt() {
    local scratch package
    scratch=$(mktemp -d)
    # shellcheck disable=SC2064 # the folder's name is wanted as it is now
    trap "rm -rf '$scratch'" EXIT
    mkdir -p "$scratch/lists/partial" "$scratch/cache/archives/partial"
    local options=(
        -o "Dir::State::lists=$scratch/lists"
        -o "Dir::Cache=$scratch/cache"
        # As root, apt would fetch as a user who cannot enter the scratch folder.
        -o "APT::Sandbox::User=$(id -un)"
        # Locking takes root, and is not needed without installing.
        -o "Debug::NoLocking=true"
    )
    # The update fails if a source does not answer; the download decides.
    apt-get "${options[@]}" update >"$scratch/log" 2>&1 || true
    if ! apt-get "${options[@]}" --yes --no-install-recommends --download-only install pgbouncer >>"$scratch/log" 2>&1; then
        cat "$scratch/log" >&2
        fail "apt has no pgbouncer here (what it said is above). Install PgBouncer and put it on PATH."
    fi
    rm -rf .tools/pgbouncer
    mkdir -p .tools/pgbouncer .tools/bin
    for package in "$scratch"/cache/archives/*.deb; do
        dpkg-deb -x "$package" .tools/pgbouncer
    done
    cat >.tools/bin/pgbouncer <<'END'
#!/bin/sh
here=$(cd "$(dirname "$0")/../pgbouncer" && pwd)
LD_LIBRARY_PATH=$(find "$here" -name '*.so.*' -exec dirname {} + | sort -u | paste -s -d : -) exec "$here/usr/sbin/pgbouncer" "$@"
END
    chmod +x .tools/bin/pgbouncer
}

if found; then exit 0; fi

if command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null; then
    echo "Unpacking PgBouncer into .tools."
    unpack_with_apt
elif command -v brew >/dev/null; then
    echo "Installing PgBouncer with brew."
    quietly brew install pgbouncer
else
    fail "PgBouncer is missing, and there is neither apt nor brew here. Install it and put it on PATH."
fi

found || fail "PgBouncer was installed but does not start."
