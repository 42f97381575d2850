"""What the processes of commands.py have imported before they begin.

TensorFlow asks absl to list its devices when a command starts, if it is imported before; a command imports it later.
"""

import unittest.mock

with unittest.mock.patch("absl.app.call_after_init"):
    import keras  # noqa: F401
    import matplotlib.figure  # noqa: F401
    import pandas  # noqa: F401
    import scipy.stats  # noqa: F401
    import sklearn.datasets  # noqa: F401
    import tensorflow  # noqa: F401
    import tensorflow_datasets  # noqa: F401
