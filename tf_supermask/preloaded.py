"""Loads what each process of --jobs=N needs, without TensorFlow's messages, and runs nothing of it."""

from tf_supermask.command_line import silence_tensorflow

with silence_tensorflow():
    import tf_supermask.train  # noqa: F401
