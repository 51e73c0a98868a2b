#!/usr/bin/env bash
# Makes sure that a nats-server of 2.10.8 or newer is on PATH or in .tools/bin. On Debian and
# Ubuntu the package is unpacked into .tools: no root, and nothing on the machine changes.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/install.sh

oldest=2.10.8

# Whether a program is a nats-server that is new enough.
usable() {
    local version
    version=$("$1" --version 2>/dev/null | sed -nE 's/^[^0-9]*([0-9]+\.[0-9]+\.[0-9]+).*/\1/p') || return 1
    [ -n "$version" ] && [ "$(printf '%s\n' "$oldest" "$version" | sort -V | head -n 1)" = "$oldest" ]
}

found() {
    usable .tools/bin/nats-server || usable nats-server
}

# Debian 12 has 2.9, which is too old, but the next release's package runs on it. So apt gets
# sources and lists in a scratch folder, with the next release's name; the machine's own sources
# stay as they are.
unpack_with_apt() {
    local scratch release='' list name
    scratch=$(mktemp -d)
    # shellcheck disable=SC2064 # the folder's name is wanted as it is now
    trap "rm -rf '$scratch'" EXIT
    mkdir -p "$scratch/sources" "$scratch/lists/partial" "$scratch/cache/archives/partial"
    : >"$scratch/sources.list"
    release=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
    for list in /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources; do
        # Only sources of the release itself, not third-party repositories.
        if [ -n "$release" ] && [ -r "$list" ] && grep -qE "^[^#]*[[:space:]]$release([[:space:]]|\$)" "$list"; then
            name=$(basename "$list")
            [ "$name" != sources.list ] || name=machine.list
            if [ "$release" = bookworm ]; then
                sed 's/bookworm/trixie/g' "$list" >"$scratch/sources/$name"
            else
                cp "$list" "$scratch/sources/$name"
            fi
        fi
    done
    local options=(
        -o "Dir::Etc::sourcelist=$scratch/sources.list"
        -o "Dir::Etc::sourceparts=$scratch/sources"
        -o "Dir::State::lists=$scratch/lists"
        -o "Dir::Cache=$scratch/cache"
        # As root, apt would fetch as a user who cannot enter the scratch folder.
        -o "APT::Sandbox::User=$(id -un)"
        -o "APT::Get::List-Cleanup=false"
    )
    # The update fails if a repository lacks this release; the download decides.
    apt-get "${options[@]}" update >"$scratch/log" 2>&1 || true
    if ! (cd "$scratch" && apt-get "${options[@]}" download nats-server >>"$scratch/log" 2>&1); then
        cat "$scratch/log" >&2
        fail "apt has no nats-server here (what it said is above). Install nats-server $oldest or newer and put it on PATH."
    fi
    rm -rf .tools/nats
    mkdir -p .tools/nats .tools/bin
    dpkg-deb -x "$scratch"/nats-server_*.deb .tools/nats
    ln -sf "../nats/$(cd .tools/nats && find usr -type f -name nats-server | head -n 1)" .tools/bin/nats-server
}

if found; then exit 0; fi

if command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null; then
    echo "Unpacking nats-server into .tools."
    unpack_with_apt
elif command -v brew >/dev/null; then
    echo "Installing nats-server with brew."
    brew install --quiet nats-server
else
    fail "nats-server $oldest or newer is missing, and there is neither apt nor brew here. Install it and put it on PATH."
fi

found || fail "the nats-server that the package manager has is older than $oldest. Install $oldest or newer and put it on PATH."
