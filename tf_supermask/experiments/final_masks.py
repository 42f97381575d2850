"""The masks of finished runs, from their containers or, of earlier versions, from `.final.npz`."""

import numpy as np

from tf_supermask import files
from tf_supermask.deploy import loading
from tf_supermask.errors import InputError
from tf_supermask.experiments import networks, records
from tf_supermask.experiments.spec import Spec


def masks_of(run, record):
    """Layer name -> int8 mask of a finished run. Raises InputError where its file is missing, damaged or of another run."""
    if run.weights == run.container:
        return decoded(loading.read(run.container).kernels, run, record)
    arrays = records.load_arrays(run.final)
    return {name.removesuffix("/mask"): arrays[name] for name in sorted(arrays) if name.endswith("/mask")}


def decoded(kernels, run, record):
    """Layer name -> int8 mask, of the Kernels of a container.

    Codes of a kernel with signed constants are sign(weight) * mask; the weights are drawn again from the seed.
    """
    spec, masks = Spec.recorded(record["spec"], run.record), {}
    for row in sorted(record["layers"], key=lambda row: row["name"]):
        name, shape = row["name"], tuple(row["shape"])
        kernel = kernels.get(name)
        mask = None if kernel is None or kernel.codes.size != np.prod(shape) else kernel.codes.reshape(shape)
        if mask is not None and kernel.draw is None:
            mask = (np.sign(networks.initializer(spec, name, "weight")(shape, "float32")) * mask).astype(np.int8)
        if mask is None or files.sha256(mask) != row["mask_sha256"]:
            raise InputError(
                f"{run.container} and {run.record} do not give one mask of {name}: they are of different runs, or this "
                "TensorFlow draws other weights from the seed; tf_supermask.load reads the container alone"
            )
        masks[name] = mask
    return masks
