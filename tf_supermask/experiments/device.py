"""Sets up TensorFlow in a process: threads, a share of a GPU, deterministic kernels."""

import os
import subprocess

import tensorflow as tf

from tf_supermask.errors import InputError

_USED = 0.9  # share of a GPU's memory; CUDA itself needs the rest


def processors():
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def has_gpu():
    return bool(tf.config.list_physical_devices("GPU"))


def set_up(threads=None, deterministic=None, job=0, jobs=1):
    """Sets TensorFlow up in this process, number `job` of `jobs` on this machine. Call it before any operation of TensorFlow.

    threads: of one operation, and operations at a time; None: as many as processors.
    deterministic: whether the bits of a run depend only on its Spec, the versions and the kind of machine; None: only on a GPU.
        It turns on TensorFlow's deterministic kernels on a GPU, and uses one thread on a CPU, where threads split sums.
    Raises InputError where a GPU is to be shared and its memory is not known.
    """
    gpus = tf.config.list_physical_devices("GPU")
    certain = bool(gpus) if deterministic is None else deterministic
    if certain and not gpus:
        threads = 1
    if threads:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
    if gpus and jobs > 1:
        number, slice_ = sliced(job, jobs, len(gpus), memory())
        tf.config.set_visible_devices(gpus[number], "GPU")
        tf.config.set_logical_device_configuration(
            gpus[number], [tf.config.LogicalDeviceConfiguration(memory_limit=slice_)]
        )
    else:
        for gpu in gpus:
            tf.config.experimental.set_memory_growth(gpu, True)
    if certain and gpus:
        tf.config.experimental.enable_op_determinism()


def without_gpu():
    """Leaves the GPUs to other processes."""
    tf.config.set_visible_devices([], "GPU")


def sliced(job, jobs, gpus, mebibytes):
    """`(GPU, MiB of its memory)` for one of `jobs` processes, which are assigned to the GPUs in turn."""
    on_it = len(range(job % gpus, jobs, gpus))
    return job % gpus, int(_USED * mebibytes / on_it)


def memory():
    """MiB of the smallest NVIDIA GPU of this machine. Raises InputError."""
    command = ["nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
    try:
        sizes = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
        return min(map(int, sizes))
    except (OSError, subprocess.CalledProcessError, ValueError) as error:
        raise InputError(
            f"--jobs shares a GPU by its memory, which nvidia-smi does not tell ({error}); use --jobs=1"
        ) from error
