"""Sources of images: data sets of tensorflow-datasets, and folders of class folders.

`find` gives a source: `title`, for file names; `content()`, a digest of everything that `read()` depends on; `read()`, which
gives images uint8 `(n, height, width, channels)` and labels int32 `(n,)` for training, the same for the test, and the number of
classes.
"""

import contextlib
import hashlib
import itertools
import mimetypes
import os
import pathlib
import sys
import urllib.parse

import numpy as np
import tensorflow as tf

from tf_supermask import files
from tf_supermask.errors import InputError, short
from tf_supermask.experiments import downloads, paths
from tf_supermask.experiments.splits import names_of, parts_of

READ = (".png", ".jpg", ".jpeg")  # what tfds.ImageFolder reads


def find(name, data_dir=None, splits=None, download=True):
    """The source `name`: a data set that tensorflow-datasets knows, else a folder SPLIT/CLASS/*.png or .jpg, here or in
    `data_dir`.

    Args:
        data_dir: folder of tensorflow-datasets; None: $TFDS_DATA_DIR or its default.
        splits: those for training and for the test, "train,validation", or parts, "train[:80%],train[80%:]"; None: train and
            test.
        download: whether to download and prepare what is not there yet.

    Raises:
        InputError: there is no such set, it cannot be had here, or is not a classification of images of one size.
    """
    if paths.is_path(name):
        return Folder(name, splits)
    data_dir = os.path.expanduser(data_dir or os.environ.get("TFDS_DATA_DIR", "")) or None
    try:
        import tensorflow_datasets as tfds

        with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):  # banners on missing packages
            builder = tfds.builder(name, data_dir=data_dir)
    except Exception as error:  # tfds raises a family of its own, and those of its readers
        for folder in (name, os.path.join(data_dir or "", name)):
            if name and os.path.isdir(folder):
                return Folder(folder, splits)
        raise unavailable(name, error) from error
    return Prepared(name, builder, splits, download)


def unavailable(name, error):
    """The InputError of a data set that cannot be had, in one line, whatever the reason."""
    request = getattr(error, "request", None)
    if getattr(request, "url", None):
        reason = f"no answer from {urllib.parse.urlsplit(request.url).hostname}"
    else:
        reason = (str(error).strip().splitlines() or [""])[0][:200]
    return InputError(
        f"data set {name!r} cannot be had here ({type(error).__name__}: {reason}); use --dataset=digits, which is embedded, "
        "--dataset=FOLDER with images in SPLIT/CLASS/, or --data_dir=FOLDER where tensorflow-datasets has prepared it"
    )


# ---------------------------------------------------------------------------------------------------------------------
# tensorflow-datasets


class Prepared:
    """A data set of tensorflow-datasets, which is downloaded and prepared where it is not yet. Raises InputError."""

    def __init__(self, name, builder, splits=None, download=True):
        _check_features(name, builder.info)
        self.name, self._builder = name, builder
        self._folder = pathlib.Path(builder.data_path)
        self.title = f"{paths.title_of(name)}-{builder.version}"
        names_of(splits)
        if not self._folder.exists():
            if not download:
                raise unavailable(name, FileNotFoundError(f"no {self._folder}"))
            self._prepare()
        self._names, self._parts = names_of(splits), parts_of(name, builder.info.splits, splits)

    def _prepare(self):
        import tensorflow_datasets as tfds

        if not sys.stderr.isatty():
            tfds.disable_progress_bar()
        root = self._folder.parents[self._builder.info.full_name.count("/")]  # full_name: name/configuration/version
        try:
            with files.no_new_empty_folders(root), downloads.impatient():
                # not from Google's storage, whose silence cannot be limited
                settings = tfds.download.DownloadConfig(try_download_gcs=False)
                self._builder.download_and_prepare(download_config=settings)
        except Exception as error:  # no network, no space, an import that is missing...
            raise unavailable(self.name, error) from error

    def content(self):
        """Of the files of the splits that are read, and of those that describe the data set."""
        infos, used = self._builder.info.splits, {part.split for part in itertools.chain(*self._parts)}
        others = {path.name for split, info in infos.items() if split not in used for path in info.filepaths}
        paths = sorted(path for path in self._folder.iterdir() if path.is_file() and path.name not in others)
        return _digest([(self._names, b""), *((path.name, _sha256(path)) for path in paths)])

    def read(self):
        try:
            parts = self._builder.as_dataset(split=self._names, batch_size=-1, as_supervised=True)
        except Exception as error:  # a damaged file, no memory...
            raise unavailable(self.name, error) from error
        images, labels = zip(*((np.asarray(x), np.asarray(y).astype(np.int32)) for x, y in parts), strict=True)
        for name, classes in zip(self._names, labels, strict=True):
            if classes.min() < 0:
                raise InputError(
                    f"split {name!r} of data set {self.name!r} has images without a label; choose --splits"
                )
        return images[0], labels[0], images[1], labels[1], self._builder.info.features["label"].num_classes


def _check_features(name, info):
    """Raises InputError for what is not one 8-bit image of a fixed size and one label."""
    names = list(getattr(info.features, "keys", tuple)())
    if info.supervised_keys != ("image", "label") or not {"image", "label"} <= set(names):
        raise InputError(
            f"data set {name!r} is not an image classification set: of its features {', '.join(names)} the supervised keys are "
            f"{info.supervised_keys}, not ('image', 'label')"
        )
    image, label = info.features["image"], info.features["label"]
    classes = getattr(label, "num_classes", None) if label.shape == () else None
    if not classes or classes < 2:
        raise InputError(
            f"data set {name!r} is not an image classification set: its labels are {label}, not one of two classes or more"
        )
    if len(image.shape) != 3 or None in image.shape or image.np_dtype != np.uint8:
        raise InputError(
            f"data set {name!r} has images of shape {image.shape}, {np.dtype(image.np_dtype).name}; only 8-bit images of one "
            "size work, (height, width, channels)"
        )


# ---------------------------------------------------------------------------------------------------------------------
# Folders


class Folder:
    """Class folders of images, in the layout and order of `tfds.ImageFolder`: FOLDER/SPLIT/CLASS/*.png or .jpg. Images are gray
    where all of them are, else of three channels. Raises InputError."""

    def __init__(self, name, splits=None):
        import tensorflow_datasets as tfds

        root = os.path.expanduser(name)
        if not os.path.isdir(root):
            raise InputError(f"--dataset={name} is no folder; name one with images in SPLIT/CLASS/, as train/cat/1.png")
        try:
            builder = tfds.ImageFolder(root)
            if not builder.info.splits:
                raise InputError(
                    f"--dataset={name} has no class folders; it needs images in SPLIT/CLASS/, as train/cat/1.png"
                )
            self.name, self.title, infos = name, paths.title_of(name), builder.info.splits
            _check_all_are_read(root, [split for split, info in infos.items() if not info.num_examples])
            parts = parts_of(name, infos, splits)
            _check_all_are_read(root, {part.split for part in itertools.chain(*parts)})
            self._files = [[file for part in side for file in _files(builder, part)] for side in parts]
        except (OSError, UnicodeDecodeError, tf.errors.OpError) as error:  # of names that are not UTF-8
            raise unavailable(name, error) from error
        self._classes = sorted({label for side in self._files for label, _, _ in side})
        if len(self._classes) < 2:
            raise InputError(
                f"--dataset={name} has images of one class only, {short(self._classes[0])}; it needs two or more"
            )
        trained = {label for label, _, _ in self._files[0]}
        if not trained.issuperset(self._classes):
            names = ", ".join(short(label) for label in self._classes if label not in trained)
            raise InputError(
                f"--dataset={name} has test images of {names[:200]}, of which none are for training; add some, or remove them"
            )

    def content(self):
        sides = ((f"{side} {label}", content) for side, files in enumerate(self._files) for label, _, content in files)
        return _digest(sides)

    def read(self):
        images = _decoded([(path, content) for side in self._files for _, path, content in side])
        labels = np.array([self._classes.index(label) for side in self._files for label, _, _ in side], np.int32)
        count = len(self._files[0])
        return images[:count], labels[:count], images[count:], labels[count:], len(self._classes)


def _check_all_are_read(root, splits):
    """Raises InputError for an image below the folder of one of `splits` that tfds.ImageFolder leaves out, for its format or
    place, for one in a hidden folder, of which it would make a class, and for what it would read and is no file."""
    tops = [top for split in sorted(splits) for top in sorted(pathlib.Path(root, split).iterdir())]  # which may be links
    for path in (path for top in tops for path in (top, *sorted(top.rglob("*")))):
        parts, is_file = path.relative_to(root).parts[1:], path.is_file()
        is_read, hidden = len(parts) == 2 and path.suffix.lower() in READ, any(part[0] == "." for part in parts)
        if is_read and not is_file:
            what = "a folder" if path.is_dir() else "a link to nothing" if path.is_symlink() else "no regular file"
            raise InputError(f"{path} is {what}; images are png or jpg files in SPLIT/CLASS/; mend or remove it")
        if is_read and parts[0][0] == ".":
            raise InputError(f"{path} is in a hidden folder, which is no class; remove {path.parent}")
        if is_file and (mimetypes.guess_type(path)[0] or "").startswith("image/") and not (is_read or hidden):
            raise InputError(f"{path} is not read; images are png or jpg files in SPLIT/CLASS/, as train/cat/1.png")


def _files(builder, part):
    """`(class, path, bytes)` of the files of a Part."""
    import tensorflow_datasets as tfds

    names = builder.info.features["label"].names
    dataset = builder.as_dataset(split=part.split, decoders={"image": tfds.decode.SkipDecoding()})
    for file in itertools.islice(tfds.as_numpy(dataset), part.first, part.end):
        yield names[file["label"]], file["image/filename"].decode(), file["image"]


def _decoded(files):
    """Images uint8 `(n, height, width, 1 or 3)` of pairs (path, bytes). Raises InputError."""
    images = []
    for path, content in files:
        try:
            images.append(tf.io.decode_image(content, expand_animations=False).numpy())
        except tf.errors.InvalidArgumentError as error:
            raise InputError(f"{path} is not an image that can be read; mend or remove it") from error
        if images[-1].shape[:2] != images[0].shape[:2]:
            (height, width), (other, wide) = images[-1].shape[:2], images[0].shape[:2]
            raise InputError(
                f"{path} has {height}x{width} pixels, {files[0][0]} has {other}x{wide}; bring all images to one size"
            )
    if all(image.shape[2] < 3 for image in images):
        return np.stack([image[..., :1] for image in images])
    return np.stack([image[..., :3] if image.shape[2] > 2 else image[..., :1].repeat(3, -1) for image in images])


def _digest(pieces):
    """SHA-256 of pairs (name, bytes)."""
    digest = hashlib.sha256()
    for name, content in pieces:
        digest.update(repr((name, len(content))).encode())
        digest.update(content)
    return digest.hexdigest()


def _sha256(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
