#!/usr/bin/env bash
# Makes sure that PostgreSQL's server programs, 14 or newer, are on this machine. Without the
# cluster that the Debian package would create and start on port 5432: `odograph up` and the tests
# make private servers.
set -euo pipefail
. "$(dirname "$0")/install.sh"

# Whether a folder holds a server of 14 or newer.
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

if found; then exit 0; fi

if command -v apt-get >/dev/null; then
    may_install "PostgreSQL" "apt-get install postgresql (14 or newer)"
    echo "Installing PostgreSQL's programs with apt (no server is started by it)."
    quietly as_root apt-get update
    # Where postgresql-common is installed already, this file holds the admin's choice: kept.
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
