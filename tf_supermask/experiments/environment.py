"""Machine and software of a run, for its record. They are no part of its Spec."""

import configparser
import functools
import importlib.metadata
import os
import pathlib
import platform
import re
import subprocess

import keras
import numpy as np
import tensorflow as tf

from tf_supermask.experiments import device

_VECTOR_FLAGS = ("avx2", "fma", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_tile")


def current_environment():
    """Versions, commit, device and threads of this process."""
    gpus = [
        tf.config.experimental.get_device_details(gpu).get("device_name", "GPU")
        for gpu in tf.config.list_physical_devices("GPU")
    ]
    return {
        "tf_supermask": _version(),
        "commit": commit(),
        "python": platform.python_version(),
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "numpy": np.__version__,
        "device": gpus[0] if gpus else platform.machine(),
        "processor": processor(),
        "onednn": onednn(),
        "threads": tf.config.threading.get_intra_op_parallelism_threads() or device.processors(),
        # whether products of float32 round their factors to 10 bits, as TensorFlow has GPUs do that can
        **({"tf32": _tensor_float_32()} if gpus else {}),
    }


def onednn():
    """What commands or the user have told TensorFlow: "1" or "0"; None, also for what it ignores: it decides by the processor."""
    return {"1": "1", "true": "1", "0": "0", "false": "0"}.get(os.environ.get("TF_ENABLE_ONEDNN_OPTS", "").lower())


def _tensor_float_32():
    """Whether TensorFlow has it on and NVIDIA's libraries are not told to leave it off."""
    return tf.config.experimental.tensor_float_32_execution_enabled() and os.environ.get("NVIDIA_TF32_OVERRIDE") != "0"


@functools.cache
def processor(info=pathlib.Path("/proc/cpuinfo")):
    """Name of the processor, and those of its vector instructions that decide which kernels oneDNN takes (on Linux)."""
    try:
        fields = dict(re.findall(r"(?m)^([\w ]+?)\s*: (.*)$", info.read_text()))
    except OSError:
        return platform.processor()
    flags = [flag for flag in _VECTOR_FLAGS if flag in fields.get("flags", "").split()]
    return " ".join([fields.get("model name", platform.processor()), *flags])


def _version():
    try:
        return importlib.metadata.version("tf_supermask")
    except importlib.metadata.PackageNotFoundError:
        return None


@functools.cache
def commit(package=pathlib.Path(__file__).parents[1]):
    """Commit of the source tree, with `+` where the package has uncommitted changes. None where the folder `package` is not
    tracked at the top of a repository of the project, whose setup.cfg has its name: it may be a copy in another project, or an
    installation inside of one.
    """

    def git(*arguments):
        command = ["git", "-C", str(package), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        top = pathlib.Path(git("rev-parse", "--show-toplevel"))
        tracked = git("ls-files") and git("ls-files", "--", str(top / "setup.cfg"))
        if top != package.resolve().parent or not tracked or _project(top / "setup.cfg") != package.name:
            return None
        return git("rev-parse", "HEAD") + ("+" if git("status", "--porcelain", "--", ".") else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def _project(path):
    """Name of the project of a setup.cfg, or None."""
    settings = configparser.ConfigParser(interpolation=None)
    try:
        settings.read(path, "utf-8")
    except (configparser.Error, UnicodeDecodeError):
        return None
    return settings.get("metadata", "name", fallback=None)


def runtime_info(environment, model, steps=None):
    """`environment` with the compilation of `model` and the load of the machine. `steps`: of a call, if not those of `model`."""
    compilation = {"jit_compile": model.jit_compile, "steps_per_execution": steps or model.steps_per_execution}
    return environment | compilation | {"load": os.getloadavg()[1]}  # mean of 5 minutes, which shows other processes
