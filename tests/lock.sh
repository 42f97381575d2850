#!/usr/bin/env bash
# Makes requirements.lock anew: the newest versions that setup.cfg permits, for every Python that it permits.
set -euo pipefail
cd "$(dirname "$0")/.."
tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
"${PYTHON:-python3}" -m venv "$tools"
"$tools/bin/python" -m pip install --quiet --disable-pip-version-check uv
# uv does not heed upper bounds of Requires-Python: 1.3 is for Python before 3.11 only, and pip refuses it elsewhere.
echo 'backports.strenum <1.3' >"$tools/constraints"
"$tools/bin/uv" pip compile setup.cfg --constraints "$tools/constraints" --extra dev --extra docs --universal --python-version 3.11 \
  --upgrade --no-python-downloads --no-annotate --custom-compile-command 'bash tests/lock.sh' --quiet --output-file requirements.lock
