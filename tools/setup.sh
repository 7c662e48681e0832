#!/bin/sh
# Set-up for the Makefile: a virtual environment and the pinned packages.
#   setup.sh venv FOLDER           make it with the newest Python >= 3.11 found (or $PYTHON)
#   setup.sh install FOLDER LOCK   install requirements/LOCK.lock and this project into it
set -eu

supported() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

find_python() {
    for candidate in ${PYTHON:-} python3 python3.14 python3.13 python3.12 python3.11 python; do
        if command -v "$candidate" >/dev/null 2>&1 && supported "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    found=$(python3 --version 2>&1 || echo "no python3")
    echo "Python 3.11 or newer is needed; found: $found. Install it, or name one: make PYTHON=/path/to/python3.11" >&2
    exit 1
}

case $1 in
venv)
    python=$(find_python)
    if [ ! -x "$2/bin/python" ] || ! supported "$2/bin/python"; then
        rm -rf "$2"
        "$python" -m venv "$2" || {
            echo "The venv module of $python is missing; on Debian and Ubuntu: apt install python3-venv" >&2
            exit 1
        }
    fi
    "$2/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/installer.lock
    ;;
install)
    echo "Installing the pinned packages (about a minute the first time) ..."
    "$2/bin/uv" pip install --quiet --compile-bytecode --python "$2/bin/python" --require-hashes -r "requirements/$3.lock"
    "$2/bin/uv" pip install --quiet --python "$2/bin/python" --no-deps --no-build-isolation --editable .
    ;;
esac
