# Sourced by run_all.sh and tests/run.sh: $python is a Python in which this package is installed.
# A virtual environment in .venv is made on the first call, and again when setup.cfg has changed.
python=.venv/bin/python
if ! cmp -s setup.cfg .venv/installed.cfg; then
  base=${PYTHON:-python3}
  "$base" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null ||
    { echo "error: $base is not a Python 3.10 or newer; set PYTHON=/path/to/one" >&2; exit 2; }
  echo "Installing into .venv (once; TensorFlow is large)..."
  [ -x $python ] || "$base" -m venv .venv
  $python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
  cp setup.cfg .venv/installed.cfg
fi
