#!/usr/bin/env bash
# Makes sure that PostgreSQL's server programs, 14 or newer, are on this machine. Only the
# programs: `odograph up` and the tests make private servers of their own, so the cluster that the
# Debian package would create and start on port 5432 is not wanted.
set -euo pipefail

# Says whether a folder holds a server of 14 or newer.
usable() {
    [ -x "$1/postgres" ] && [ -x "$1/initdb" ] && [ -x "$1/pg_ctl" ] || return 1
    local major
    major=$("$1/postgres" --version 2>/dev/null | sed -nE 's/^[^0-9]*([0-9]+).*/\1/p')
    [ -n "$major" ] && [ "$major" -ge 14 ]
}

found() {
    local folder
    if folder=$(command -v postgres) && usable "$(dirname "$folder")"; then return 0; fi
    if folder=$(pg_config --bindir 2>/dev/null) && usable "$folder"; then return 0; fi
    for folder in /usr/lib/postgresql/*/bin /opt/homebrew/opt/postgresql@*/bin /usr/local/opt/postgresql@*/bin; do
        if usable "$folder"; then return 0; fi
    done
    return 1
}

fail() {
    printf 'install-postgres: %s\n' "$1" >&2
    exit 1
}

may_install() {
    [ "$(id -u)" -eq 0 ] || command -v sudo >/dev/null || fail "PostgreSQL is missing and installing it needs root. As root: apt-get install postgresql (14 or newer), then try again."
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

apt_install() {
    quietly as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"
}

if found; then exit 0; fi

if command -v apt-get >/dev/null; then
    may_install
    echo "Installing PostgreSQL's programs with apt (no server is started by it)."
    quietly as_root apt-get update
    # A machine that already has postgresql-common has somebody's choice in this file: kept.
    if ! dpkg-query -W -f '${Status}' postgresql-common 2>/dev/null | grep -q 'ok installed'; then
        apt_install postgresql-common
        as_root sh -c '
            file=/etc/postgresql-common/createcluster.conf
            touch "$file"
            sed -i "/^[# ]*create_main_cluster/d" "$file"
            echo "create_main_cluster = false" >>"$file"'
    fi
    apt_install postgresql
elif command -v brew >/dev/null; then
    echo "Installing PostgreSQL's programs with brew."
    quietly brew install postgresql@17
else
    fail "PostgreSQL 14 or newer is missing, and there is neither apt nor brew here. Install its server programs (postgres, initdb, pg_ctl) and put them on PATH."
fi

found || fail "the package manager installed a PostgreSQL older than 14. Install 14 or newer and put its bin folder on PATH."
