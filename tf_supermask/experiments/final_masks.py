"""The masks of finished runs, from their containers or, of earlier versions, from `.final.npz`."""

import numpy as np

from tf_supermask import files, masks
from tf_supermask.deploy import loading
from tf_supermask.errors import InputError
from tf_supermask.experiments import choices, networks, records
from tf_supermask.experiments.spec import Spec


def masks_of(run, record):
    """Layer name -> int8 mask of a finished run. Raises InputError where its file is missing, damaged or of another run."""
    if run.weights == run.container or record["spec"]["mode"] in choices.LATENT and run.container.exists():
        return decoded(loading.read(run.container).kernels, run, record)
    arrays = records.load_arrays(run.final)
    return {name.removesuffix("/mask"): arrays[name] for name in sorted(arrays) if name.endswith("/mask")}


def decoded(kernels, run, record):
    """Layer name -> int8 mask, of the Kernels of a container.

    Codes of a kernel with signed constants are sign(weight) * mask; the weights are drawn again from the seed.
    """
    spec, by_layer = Spec.recorded(record["spec"], run.record), {}
    for row in sorted(record["layers"], key=lambda row: row["name"]):
        name, shape = row["name"], tuple(row["shape"])
        mask = _mask(kernels.get(name), spec, name, shape)
        if mask is None or files.sha256(mask) != row["mask_sha256"]:
            raise InputError(
                f"{run.container} and {run.record} do not give one mask of {name}: they are of different runs, or this "
                "TensorFlow draws other weights from the seed; tf_supermask.load reads the container alone"
            )
        by_layer[name] = mask
    return by_layer


def _mask(kernel, spec, name, shape):
    """The mask of a Kernel, or None where it has another shape."""
    if kernel is None or kernel.codes.size != np.prod(shape):
        return None
    codes = kernel.codes.reshape(shape)
    if kernel.draw is not None or spec.mode in choices.LATENT:
        return codes
    weight = np.asarray(networks.initializer(spec, name, "weight")(shape, "float32"))
    levels = masks.rule(spec.mode).levels
    if levels == 1:
        return (np.sign(weight) * codes).astype(np.int8)
    return np.rint(levels * kernel.scale * codes / weight).astype(np.int8)  # codes are relative to the highest level in use
