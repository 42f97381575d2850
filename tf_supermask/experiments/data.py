"""Data sets as arrays, and arrays as batches.

`load` gives the decoded images of a data set, `batches` the training batches: those of epoch e depend on (seed, e) only,
so that a run continued at epoch e sees what an undisturbed run sees.
"""

import dataclasses
import functools
import hashlib
import pathlib
import sys

import numpy as np
import tensorflow as tf

from tf_supermask import files
from tf_supermask.errors import InputError, one_line, printable
from tf_supermask.experiments import choices, sources
from tf_supermask.experiments.distortion import distorted

EVALUATION_BATCH = 500


_PADDING = 4  # pixels on each side, Koster et al. 2022 section 3 (CIFAR-100)


@dataclasses.dataclass(frozen=True, eq=False)
class Dataset:
    """Decoded images, uint8 `(n, height, width, channels)`, and labels, int32 `(n,)`, of both official splits."""

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    classes: int

    @property
    def input_shape(self):
        return self.train_images.shape[1:]

    @functools.cached_property
    def fingerprint(self):
        """SHA-256 over all arrays: two records with one fingerprint were made from the same data."""
        digest = hashlib.sha256()
        for array in (self.train_images, self.train_labels, self.test_images, self.test_labels):
            digest.update(repr((array.shape, array.dtype.str)).encode())
            digest.update(np.ascontiguousarray(array))
        return digest.hexdigest()


def digits(shape):
    """The handwritten digits that come with scikit-learn, 1,797 images of 8x8, resized to `shape`; 360 of them are the
    test set. Needs neither network nor files."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    images, labels = load_digits(return_X_y=True)
    small = images.reshape(-1, 8, 8, 1).astype(np.float32) * (255 / 16)
    large = tf.image.resize(small, shape[:2], method="bilinear").numpy()
    large = np.repeat(np.clip(np.rint(large), 0, 255).astype(np.uint8), shape[2], axis=-1)
    parts = train_test_split(large, labels.astype(np.int32), test_size=360, random_state=0, stratify=labels)
    train_images, test_images, train_labels, test_labels = parts
    return Dataset(train_images, train_labels, test_images, test_labels, classes=10)


def load(name, data_dir=None, cache_dir=None, shape=(32, 32, 3), splits=None, download=True):
    """The data set `name`: `digits` at `shape`, `digits8` as they are, whatever tensorflow-datasets knows by that name, or a
    folder of class folders; `sources.find` describes `name`, `data_dir`, `splits` and `download`.

    Args:
        cache_dir: folder for decoded arrays, so that the next start need not decode; None: no cache. An entry is found by the
            content of the files that it was decoded from.

    Raises:
        InputError: the set is unknown, cannot be had here, or is not a classification of images of one size.
    """
    if name in choices.EMBEDDED:
        if splits is not None:
            raise InputError(f"--splits={splits} has no effect on the embedded data set {name}; leave it out")
        return digits(choices.DATASETS[name] or shape)
    source = sources.find(name, data_dir, splits, download)
    if cache_dir is None:
        return Dataset(*source.read())
    cache = pathlib.Path(cache_dir).expanduser() / f"{source.title}-{source.content()[:16]}.npz"
    dataset = _read_cache(cache)
    if dataset is None:
        dataset = Dataset(*source.read())
        _write_cache(cache, dataset)
    return dataset


def _read_cache(path):
    """The cached data set, or None where there is none. A damaged file is kept aside, to be made again, and named in a line."""
    if not path.exists():
        return None
    try:
        arrays = files.arrays(path, *(field.name for field in dataclasses.fields(Dataset)), "fingerprint")
        fingerprint, classes = str(arrays.pop("fingerprint")), int(arrays.pop("classes"))
        dataset = Dataset(**arrays, classes=classes)
        if dataset.fingerprint == fingerprint:
            return dataset
        reason = "other images than it says"
    except (OSError, TypeError, ValueError) as error:
        reason = one_line(error)
    line = f"the cache {path} is damaged ({reason}); it is kept as {files.quarantine(path).name} and made again"
    print(printable(line), file=sys.stderr, flush=True)
    return None


def _write_cache(path, dataset):
    arrays = {field.name: getattr(dataset, field.name) for field in dataclasses.fields(dataset)}
    try:
        files.write(path, lambda file: np.savez(file, fingerprint=dataset.fingerprint, **arrays))
    except OSError as error:
        raise InputError(f"cannot write the cache {path} ({error.strerror}); give another --cache_dir") from error


def _standardize(images):
    """(x - mean) / max(deviation, 1 / sqrt(n)) of each image, over its n numbers (Koster et al. 2022, section 3)."""
    whole = np.empty(images.shape, np.float32)
    for start in range(0, len(images), 10_000):
        part = tf.cast(images[start : start + 10_000], tf.float32)
        whole[start : start + 10_000] = tf.image.per_image_standardization(part)
    return whole


def _unit(images):
    return np.divide(images, 255, dtype=np.float32)


PREPROCESS = {"standardize": _standardize, "unit": _unit}


def held_out(dataset, count):
    """`dataset` with `count` training images in place of its test set, and those of the training set that are left.

    One split for all runs, drawn without replacement (Zhou et al. 2019). Raises InputError where too few are left.
    """
    size = len(dataset.train_images)
    if count >= size:
        raise InputError(f"--validation_images={count} leaves none of the {size} training images")
    order = np.random.default_rng(0).permutation(size)
    held, kept = np.sort(order[:count]), np.sort(order[count:])
    images, labels = dataset.train_images, dataset.train_labels
    return dataclasses.replace(
        dataset,
        train_images=images[kept],
        train_labels=labels[kept],
        test_images=images[held],
        test_labels=labels[held],
    )


def steps_per_epoch(dataset, spec):
    """Batches of an epoch: all images, or, where training is counted in iterations, whole batches of one pass.

    Raises InputError where there is none.
    """
    images = len(dataset.train_images)
    if not images:
        raise InputError(f"data set {spec.dataset!r} has no training images")
    if not spec.iterations:
        return -(-images * spec.passes // spec.batch_size)
    if images < spec.batch_size:
        raise InputError(f"--batch_size={spec.batch_size} is more than the {images} training images")
    return images // spec.batch_size


def batches(dataset, spec, first_epoch=0):
    """tf.data pipeline over the training batches of all epochs from `first_epoch` on, as `epochs_of` says."""
    return epochs_of(dataset, spec)(first_epoch)


def epochs_of(dataset, spec):
    """A function `first_epoch -> tf.data pipeline` over training batches, with one copy of the images.

    Elements: images float32 `(batch, height, width, channels)`, labels int32 `(batch,)`. An epoch has
    `steps_per_epoch` elements, the last one smaller where the batch size does not divide it.
    """
    steps, passes = steps_per_epoch(dataset, spec), spec.passes or 1
    with tf.device("cpu:0"):
        images = tf.constant(PREPROCESS[spec.preprocess](dataset.train_images))
        labels = tf.constant(dataset.train_labels)
    count = len(dataset.train_images)

    def order(epoch, one_pass):
        if not spec.shuffle:
            return tf.range(count)
        return tf.argsort(tf.random.stateless_uniform([count], [spec.seed, epoch * passes + one_pass]), stable=True)

    def one_epoch(epoch):
        indices = tf.concat([order(epoch, tf.constant(i, tf.int64)) for i in range(passes)], 0)

        def batch(step):
            pick = indices[step * spec.batch_size : (step + 1) * spec.batch_size]
            x = tf.gather(images, pick)
            if spec.augment or spec.affine:
                seed = tf.stack([tf.constant(spec.seed, tf.int64), epoch * 2**32 + step])
                x = augment(x, seed) if spec.augment else x
                x = distorted(x, seed, spec.affine) if spec.affine else x
            return x, tf.gather(labels, pick)

        return tf.data.Dataset.range(steps).map(batch)

    options = tf.data.Options()
    options.autotune.enabled = False  # one slice of memory per step leaves nothing to tune
    options.threading.private_threadpool_size = 1  # off the threads that train
    epochs = spec.epochs or -(-spec.iterations // steps)
    return lambda first: tf.data.Dataset.range(first, epochs).flat_map(one_epoch).prefetch(2).with_options(options)


def augment(images, seed):
    """Zero-pads standardized images by 4, flips half of them, crops each at its own random place back to its size.

    `images` float32 `(batch, height, width, channels)`, `seed` two integers; the result has the same shape.
    """
    count, (height, width) = tf.shape(images)[0], images.shape[1:3]
    flipped = tf.image.stateless_random_flip_left_right(images, seed)
    padded = tf.pad(flipped, [[0, 0], [_PADDING, _PADDING], [_PADDING, _PADDING], [0, 0]])
    corner = tf.random.stateless_uniform([count, 2], seed + [0, 2**48], 0, 2 * _PADDING + 1, tf.int32)
    rows = tf.gather(padded, corner[:, :1] + tf.range(height), axis=1, batch_dims=1)
    return tf.gather(rows, corner[:, 1:] + tf.range(width), axis=2, batch_dims=1)


def evaluation_arrays(dataset, spec):
    """The test set as tensors, preprocessed: images float32 `(n, height, width, channels)`, labels int32 `(n,)`.

    Raises InputError where it is empty.
    """
    if not len(dataset.test_images):
        raise InputError(f"data set {spec.dataset!r} has no test images")
    with tf.device("cpu:0"):
        return tf.constant(PREPROCESS[spec.preprocess](dataset.test_images)), tf.constant(dataset.test_labels)


def evaluation_batches(dataset, spec):
    """tf.data pipeline over the test set, in order, for metrics that are means over images."""
    images, labels = evaluation_arrays(dataset, spec)

    def batch(start):
        stop = start + EVALUATION_BATCH
        return images[start:stop], labels[start:stop]

    return tf.data.Dataset.range(0, len(labels), EVALUATION_BATCH).map(batch).prefetch(2)
