# Sourced by run_all.sh and tests/run.sh: $python is a Python in which this package is installed.
# .venv has the versions of requirements.lock. It is made on the first call, and again when setup.cfg or the lock has changed.
# With LATEST=1 it is .venv-latest, with the newest versions that setup.cfg permits, which are looked for on each call.
base=${PYTHON:-python3} venv=.venv
[ "${LATEST:-0}" = 0 ] || venv=.venv-latest
python=$venv/bin/python
if [ -n "${PYTHON:-}" ] || [ ! -x $python ]; then
  release='import sys; print("{}.{}".format(*sys.version_info))'
  wanted=$("$base" -c "$release" 2>/dev/null || true)
  [[ $wanted =~ ^3\.1[123]$ ]] || { echo "error: $base is not Python 3.11, 3.12 or 3.13; set PYTHON=/path/to/one" >&2; exit 2; }
  [ ! -x $python ] || [ "$($python -c "$release")" = "$wanted" ] ||
    { echo "error: $venv is not of Python $wanted, as PYTHON=$base is; remove $venv, or leave PYTHON out" >&2; exit 2; }
fi
if [ $venv = .venv-latest ] || ! cat setup.cfg requirements.lock | cmp -s - $venv/installed; then
  echo "Installing into $venv (TensorFlow is large)..."
  [ -x $python ] || "$base" -m venv $venv
  pip="$python -m pip install --quiet --disable-pip-version-check"
  if [ $venv = .venv-latest ]; then
    $pip --upgrade --upgrade-strategy eager -e '.[dev,docs]'
  else
    $pip -r requirements.lock
    $pip --no-deps -e .
    cat setup.cfg requirements.lock >$venv/installed
  fi
fi
