#!/bin/sh
# Renew the locks from the floors in pyproject.toml: names, versions and hashes, no addresses.
set -eu
uv=.venv/bin/uv
set -- --python-version 3.11 --universal --generate-hashes --no-annotate --no-header --no-emit-index-url --quiet
printf 'uv>=0.9\nsetuptools>=77\n' | $uv pip compile - "$@" -o requirements/installer.lock
$uv pip compile pyproject.toml --extra simbench "$@" -o requirements/run.lock
$uv pip compile pyproject.toml --extra simbench --group dev -c requirements/run.lock "$@" -o requirements/dev.lock
