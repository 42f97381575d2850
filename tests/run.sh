#!/usr/bin/env bash
# Sets up what is missing, checks style, generated files and documentation, runs the tests: bash tests/run.sh [pytest arguments]
# LATEST=1 bash tests/run.sh: with the newest versions of all packages, in place of those in requirements.lock, which
# tests/lock.sh makes anew. PYTHON=/path/to/python is what an environment is made with.
set -euo pipefail
cd "$(dirname "$0")/.."
source tests/environment.sh
export TF_CPP_MIN_LOG_LEVEL=3
$python -m flake8
$python -m isort --check-only --quiet .
${python%python}lint-imports --no-logo
$python -m tf_supermask.report --check
$python -m sphinx -W -q -b html docs docs/_build
$python -m pytest -n 3 --dist loadfile --no-loadscope-reorder "$@"
# What runs on every backend of Keras, on the others that are installed. Keras is imported first: PyTorch does not bear all orders.
for backend in jax torch; do
  if $python -c "import $backend" 2>/dev/null; then
    KERAS_BACKEND=$backend $python -c 'import keras, pytest, sys; sys.exit(pytest.main(sys.argv[1:]))' -q tests/test_draws.py \
      tests/test_backends.py tests/test_masked.py tests/test_every_layer.py tests/deploy/test_channel_rules.py \
      tests/deploy/test_compact_networks.py \
      -k "test_draws or test_backends or weight_times_mask or bit_for_bit or rules_and or carried_through or of_keras[LSTM] or \
of_keras[SeparableConv2D] or kind[convolution] or kind[gates] or kind[models or kind[separable] or shrink[transformer]"
  else
    echo "NOT RUN: tests of layers and compaction on $backend, which is not installed (pip install -e '.[$backend]')"
  fi
done
