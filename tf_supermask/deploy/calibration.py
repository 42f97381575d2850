"""Images that calibrate the scales of int8: what they have to be."""

import numpy as np

from tf_supermask.errors import InputError


def checked(images, model):
    """Preprocessed `images` as a float32 array. Raises InputError if they are no array of numbers, of another shape than
    `model` takes, all 0 or not finite."""
    shape = tuple(model.inputs[0].shape[1:])
    try:
        images = np.asarray(images)
    except (TypeError, ValueError) as error:
        raise InputError("calibration images must be an array of preprocessed images") from error
    if not (images.dtype.kind in "biuf" or np.can_cast(images.dtype, np.float32)):  # bfloat16 is of no kind of NumPy's
        raise InputError(
            f"calibration images must be an array of preprocessed images, real numbers. Received: {images.dtype}"
        )
    images = images.astype(np.float32)
    fits = images.ndim == len(shape) + 1 and all(
        size in (None, its) for size, its in zip(shape, images.shape[1:], strict=True)
    )
    if not fits or not len(images):
        takes = ", ".join(map(str, ("n", *shape)))
        raise InputError(f"calibration images have the shape {images.shape}; {model.name} takes ({takes})")
    if not (np.isfinite(images).all() and images.any()):
        raise InputError("calibration images are all 0, or some values are not finite; give preprocessed images")
    return images
