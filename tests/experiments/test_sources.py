"""Data sets of tensorflow-datasets, folders of class folders, their splits, their cache, and downloads that fail."""

import functools
import json
import os
import pathlib
import shutil

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
from pictures import IMAGE, LABEL, pictures

from tf_supermask.errors import InputError
from tf_supermask.experiments import data, paths, sources, training
from tf_supermask.experiments.flag_files import name_of
from tf_supermask.experiments.records import Run
from tf_supermask.experiments.spec import Spec
from tf_supermask.scheduling import jobs, scheduler

# ---------------------------------------------------------------------------------------------------------------------
# tensorflow-datasets


def test_any_image_classification_set_of_tfds(tmp_path):
    """Shape and number of classes come from the builder."""
    features = {"image": tfds.features.Image(shape=(6, 5, 3)), "label": tfds.features.ClassLabel(num_classes=100)}
    builder = pictures(tmp_path, FEATURES=features)
    dataset = data.load(builder.name, tmp_path)
    for split, images, labels in (
        ("train", dataset.train_images, dataset.train_labels),
        ("test", dataset.test_images, dataset.test_labels),
    ):
        expected = list(tfds.as_numpy(builder.as_dataset(split=split)))
        np.testing.assert_array_equal(images, [its["image"] for its in expected])
        np.testing.assert_array_equal(labels, [its["label"] for its in expected])
    assert dataset.input_shape == (6, 5, 3) and dataset.classes == 100
    assert dataset.train_images.dtype == np.uint8 and dataset.train_labels.dtype == np.int32


SEQUENCE, VIDEO = tfds.features.Sequence, tfds.features.Video


@pytest.mark.parametrize(
    "features, keys, reason",
    [
        ({"image": IMAGE, "label": LABEL}, None, "of its features image, label the supervised keys are None"),
        ({"image": IMAGE, "label": LABEL, "weight": LABEL}, ("image", "label", "weight"), "supervised keys are"),
        ({"image": IMAGE, "label": LABEL}, ({"x": "image"}, "label"), "supervised keys are"),
        ({"image": IMAGE, "rating": LABEL}, ("image", "rating"), "supervised keys are"),
        ({"picture": IMAGE, "kind": LABEL}, ("image", "label"), "of its features picture, kind the supervised keys"),
        ({"image": IMAGE, "label": tfds.features.Scalar(np.int64)}, ("image", "label"), "its labels are Scalar"),
        ({"image": IMAGE, "label": SEQUENCE(LABEL)}, ("image", "label"), "its labels are Sequence"),
        ({"image": IMAGE, "label": tfds.features.ClassLabel(num_classes=1)}, ("image", "label"), "two classes or more"),
        ({"image": tfds.features.Image(), "label": LABEL}, ("image", "label"), "8-bit images of one size"),
        ({"image": VIDEO(shape=(3, 8, 8, 1)), "label": LABEL}, ("image", "label"), r"shape \(3, 8, 8, 1\), uint8"),
        ({"image": SEQUENCE(IMAGE, length=2), "label": LABEL}, ("image", "label"), r"shape \(2, 8, 8, 1\), uint8"),
        (
            {"image": tfds.features.Image(shape=(8, 8, 1), dtype=np.uint16), "label": LABEL},
            ("image", "label"),
            "uint16; only 8-bit images",
        ),
    ],
)
def test_what_is_no_classification_of_images_is_one_line(features, keys, reason, tmp_path):
    builder = pictures(tmp_path, prepare=False, FEATURES=features, KEYS=keys)
    with pytest.raises(InputError, match=f"^data set '{builder.name}' [^\n]*{reason}[^\n]*$"):
        data.load(builder.name, tmp_path)


def test_images_without_labels_are_refused(tmp_path):
    builder = pictures(tmp_path, FEATURES={"image": IMAGE, "label": LABEL}, first_label=-1)
    with pytest.raises(InputError, match="split 'train' of data set '.*' has images without a label"):
        data.load(builder.name, tmp_path)


def test_a_data_set_prepared_anew_is_not_read_from_the_cache(tmp_path, monkeypatch):
    def load():
        return data.load(builder.name, tmp_path / "tfds", tmp_path / "cache")

    def decoded_again(*_, **__):
        raise AssertionError("decoded again")

    builder = pictures(tmp_path / "tfds")
    first = load()
    with monkeypatch.context() as patch:
        patch.setattr(tfds.core.DatasetBuilder, "as_dataset", decoded_again)
        assert load().fingerprint == first.fingerprint
    (shard,) = pathlib.Path(builder.data_path).glob("*-train*")
    size, times = shard.stat().st_size, (shard.stat().st_atime_ns, shard.stat().st_mtime_ns)
    shutil.rmtree(builder.data_path)
    type(builder).seed = 1
    type(builder)(data_dir=str(tmp_path / "tfds")).download_and_prepare()
    os.utime(shard, ns=times)
    second = load()
    assert abs(shard.stat().st_size - size) < 200 and second.fingerprint != first.fingerprint
    assert not np.array_equal(second.train_images, first.train_images)
    (tmp_path / "tfds").rename(tmp_path / "moved")
    with monkeypatch.context() as patch:
        patch.setattr(tfds.core.DatasetBuilder, "as_dataset", decoded_again)
        moved = data.load(builder.name, tmp_path / "moved", tmp_path / "cache")
    assert moved.fingerprint == second.fingerprint


def test_a_byte_that_changes_in_a_file_of_the_same_size_is_another_content(tmp_path):
    builder = pictures(tmp_path)
    content = sources.Prepared(builder.name, builder).content()
    for path in sorted(pathlib.Path(builder.data_path).iterdir()):
        before = path.read_bytes()
        path.write_bytes(before[:-1] + bytes([before[-1] ^ 1]))
        assert sources.Prepared(builder.name, builder).content() != content, path.name
        path.write_bytes(before)
    assert sources.Prepared(builder.name, builder).content() == content
    assert sources.Prepared(builder.name, builder, "test,train").content() != content


# ---------------------------------------------------------------------------------------------------------------------
# Splits


@pytest.fixture(scope="module")
def split_pictures(tmp_path_factory):
    """Name and folder of a data set without a split `test`."""
    folder = tmp_path_factory.mktemp("splits")
    return pictures(folder, SPLITS={"train": 20, "validation": 8, "extra": 4}).name, folder


def test_other_splits_and_parts_of_them(split_pictures, tmp_path):
    def load(splits):
        return data.load(*split_pictures, tmp_path, splits=splits)

    whole = load("train,validation")
    assert (len(whole.train_images), len(whole.test_images)) == (20, 8)
    assert load("extra,validation").fingerprint != load("validation,extra").fingerprint != whole.fingerprint
    parts = load("train[:75%] , train[75%:]")
    np.testing.assert_array_equal(np.concatenate([parts.train_images, parts.test_images]), whole.train_images)
    assert len(parts.train_images) == 15 and len(load("train+extra,validation").train_images) == 24
    assert load("train,validation").fingerprint == whole.fingerprint


@pytest.mark.parametrize(
    "splits, message",
    [
        (None, "has no split 'test', but train, validation, extra; name two.*--splits=train,validation"),
        ("train,nosuch", "has no split 'nosuch', but train, validation, extra"),
        ("train,validation[:x]", "has no split"),
        ("train,train", "--splits=train,train names images of 'train' twice"),
        ("train[:60%],train[50%:]", "names images of 'train' twice"),
        ("train+extra,extra", "names images of 'extra' twice"),
        ("train[:0],validation", "split 'train\\[:0\\]' of data set '.*' has no images"),
        ("train", "must name two, for training and for the test"),
    ],
)
def test_splits_that_are_wrong_are_one_line(split_pictures, splits, message):
    with pytest.raises(InputError, match=f"^[^\n]*{message}[^\n]*$"):
        data.load(*split_pictures, splits=splits)


def test_embedded_digits_have_no_other_splits():
    with pytest.raises(
        InputError, match="--splits=train,validation has no effect on the embedded data set digits; leave it out"
    ):
        data.load("digits", splits="train,validation")


# ---------------------------------------------------------------------------------------------------------------------
# Downloads


def test_a_data_set_that_cannot_be_had_is_looked_for_once(tmp_path):
    def load(name, shape, splits):
        asked.append((name, splits))
        if name == "mnist":
            raise InputError("no network")

    asked = []
    specs = [Spec.of(dataset=name, seed=seed) for name in ("mnist", "digits") for seed in range(3)]
    units = [jobs.Job(Run(tmp_path, spec.dataset, spec.seed), spec) for spec in specs]
    jobs.prepare(units)
    assert scheduler.supplied(units, load) == units[3:] and asked == [("mnist", None), ("digits", None)]
    assert [scheduler.reason(unit.run) for unit in units[:3]] == ["no network"] * 3 and not units[3].run.error.exists()


def test_the_command_fails_with_one_line_where_there_is_no_network(main, tmp_path):
    variables = {name: "http://127.0.0.1:9" for name in ("http_proxy", "https_proxy", "ALL_PROXY")}
    flags = ("--dataset=fashion_mnist", f"--data_dir={tmp_path}/none", "--seeds=0-2", f"--results_dir={tmp_path}/results")
    done = main(*flags, "--jobs=2", ok=False, variables=variables)
    line = "error: 3 of 3 runs failed: fcn_signed_fashion_mnist, seed 0 (data set 'fashion_mnist' cannot be had here"
    assert done.returncode == 2 and done.stderr.startswith(line) and done.stderr.count("\n") == 1, done.stderr
    assert not (tmp_path / "none").exists()  # no folders of a download that failed


# ---------------------------------------------------------------------------------------------------------------------
# Folders


def write_image(path, image):
    path.parent.mkdir(parents=True, exist_ok=True)
    encode = tf.io.encode_png if path.suffix == ".png" else tf.io.encode_jpeg
    path.write_bytes(encode(image).numpy())


def image_of(label, number, shape=(8, 8, 1)):
    draw = np.random.default_rng((label, number))
    return draw.integers(50 * label, 50 * label + 50, shape).astype(np.uint8)


@pytest.fixture
def folder(tmp_path):
    """Gray pictures in SPLIT/CLASS/ of three splits and three classes."""
    for split, count in (("train", 6), ("validation", 3), ("test", 2)):
        for label, name in enumerate(("bird", "cat", "dog")):
            for number in range(count):
                write_image(tmp_path / "pets" / split / name / f"{number}.png", image_of(label, number))
    return tmp_path / "pets"


def test_a_folder_of_class_folders(folder, tmp_path):
    dataset = data.load(str(folder), cache_dir=tmp_path / "cache")
    assert dataset.train_images.shape == (18, 8, 8, 1) and dataset.test_images.shape == (6, 8, 8, 1)
    assert dataset.classes == 3 and dataset.train_labels.dtype == np.int32
    for images, labels, count in (
        (dataset.train_images, dataset.train_labels, 6),
        (dataset.test_images, dataset.test_labels, 2),
    ):
        found = {(label, image.tobytes()) for image, label in zip(images, labels, strict=True)}
        assert found == {(label, image_of(label, i).tobytes()) for label in range(3) for i in range(count)}
    order = [its["image/filename"] for its in tfds.as_numpy(tfds.ImageFolder(str(folder)).as_dataset(split="train"))]
    names = [pathlib.Path(path.decode()).parent.name for path in order]
    assert [("bird", "cat", "dog")[label] for label in dataset.train_labels] == names != sorted(names)


def test_a_folder_is_cached_by_content_and_comparable_where_it_moves(folder, tmp_path, monkeypatch):
    first = data.load(str(folder), cache_dir=tmp_path / "cache")
    moved = folder.rename(tmp_path / "elsewhere")
    assert data.load(str(moved)).fingerprint == first.fingerprint
    (moved / "train" / "cat" / "0.png").write_bytes((moved / "train" / "dog" / "0.png").read_bytes())
    assert data.load(str(moved), cache_dir=tmp_path / "cache").fingerprint != first.fingerprint
    moved.rename(folder)
    write_image(folder / "train" / "cat" / "0.png", image_of(1, 0))
    with monkeypatch.context() as patch:
        patch.setattr(tf.io, "decode_image", None)
        assert data.load(str(folder), cache_dir=tmp_path / "cache").fingerprint == first.fingerprint


def test_a_damaged_cache_is_named_and_made_again(folder, tmp_path, capsys):
    first = data.load(str(folder), cache_dir=tmp_path / "cache")
    (cache,) = (tmp_path / "cache").iterdir()
    whole, arrays = cache.read_bytes(), dict(np.load(cache))
    for number, write in enumerate(
        (
            lambda: cache.write_bytes(b""),
            lambda: cache.write_bytes(whole[: len(whole) // 2]),
            lambda: np.savez(cache, **arrays | {"test_labels": arrays["test_labels"][::-1]}),
            lambda: np.savez(cache, **arrays | {"classes": [3, 3]}),
            lambda: np.savez(cache, classes=3),
        ),
        1,
    ):
        write()
        aside = f"{cache.name}.damaged{number if number > 1 else ''}"
        assert data.load(str(folder), cache_dir=tmp_path / "cache").fingerprint == first.fingerprint
        line = capsys.readouterr().err
        assert line.startswith(f"the cache {cache} is damaged (") and line.endswith(f"kept as {aside} and made again\n")
        assert line.count("\n") == 1 and cache.with_name(aside).exists()
        assert data.load(str(folder), cache_dir=tmp_path / "cache") and not capsys.readouterr().err


def test_splits_of_a_folder(folder):
    dataset = data.load(str(folder), splits="train,validation")
    assert (len(dataset.train_labels), len(dataset.test_labels)) == (18, 9)
    parts = data.load(str(folder), splits="train[:12],train[12:]")
    np.testing.assert_array_equal(np.concatenate([parts.train_images, parts.test_images]), dataset.train_images)


@pytest.mark.parametrize("splits", ["train,nosuch", "train,train", "train[:50%],train", "all,test"])
def test_splits_of_a_folder_that_are_wrong(folder, splits):
    with pytest.raises(InputError, match="has no split 'nosuch', but test, train, validation|twice"):
        data.load(str(folder), splits=splits)


def test_one_color_image_makes_all_of_three_channels(folder):
    color, alpha = image_of(1, 9, (8, 8, 3)), image_of(1, 8, (8, 8, 4))
    write_image(folder / "train" / "cat" / "color.png", color)
    write_image(folder / "train" / "cat" / "alpha.png", alpha)
    write_image(folder / "test" / "dog" / "photo.jpg", image_of(2, 7))
    dataset = data.load(str(folder))
    images = {image.tobytes() for image in dataset.train_images}
    assert dataset.input_shape == (8, 8, 3) and {color.tobytes(), alpha[..., :3].tobytes()} <= images
    assert image_of(0, 0).repeat(3, -1).tobytes() in images and len(dataset.test_images) == 7


def test_hidden_and_empty_folders_are_no_classes(folder):
    for name in (".git/hooks", "train/.cache", "test/fish", "__MACOSX/train"):
        (folder / name).mkdir(parents=True)
    (folder / "train" / "notes.txt").write_text("by hand")
    assert data.load(str(folder)).classes == 3


@pytest.mark.parametrize("place", ["train/cat/0.bmp", "test/cat/tabby/0.png", "train/0.jpg", "validation/0.webp"])
def test_images_that_would_not_be_read_are_named(folder, place):
    """Nothing is left out silently: other formats, images below or above the class folders, of the splits that are read."""
    (folder / place).parent.mkdir(exist_ok=True)
    (folder / place).write_bytes(b"an image")
    if place.startswith("validation"):
        assert data.load(str(folder)).classes == 3
        return
    with pytest.raises(
        InputError, match=f"^[^\n]*{place}[^\n]* is not read; [^\n]*png or jpg[^\n]*SPLIT/CLASS/[^\n]*$"
    ):
        data.load(str(folder))


def test_a_split_of_images_that_are_not_read_is_not_called_empty(folder):
    for path in (folder / "train").rglob("*.png"):
        path.rename(path.with_suffix(".gif"))
    with pytest.raises(InputError, match="[.]gif is not read; images are png or jpg files"):
        data.load(str(folder))


@pytest.mark.parametrize("linked", [False, True], ids=["class", "link to a class"])
@pytest.mark.parametrize("kind", ["dangling link", "loop", "folder", "pipe"])
def test_what_has_the_name_of_an_image_and_is_no_file_is_named(kind, linked, folder):
    if linked:
        (folder / "train" / "cat").rename(folder.parent / "cats")
        (folder / "train" / "cat").symlink_to(folder.parent / "cats")
    path = folder / "train" / "cat" / "x.png"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("x.png" if kind == "loop" else "nowhere")
    what = {"folder": "a folder", "pipe": "no regular file"}.get(kind, "a link to nothing")
    with pytest.raises(InputError, match=f"^[^\n]*train/cat/x.png is {what}; [^\n]*; mend or remove it$"):
        data.load(str(folder))


@pytest.mark.parametrize("name", ["a\nb", "a\x1b[31mb", "a\u202eb"], ids=["line break", "color", "right to left"])
def test_names_that_cannot_be_printed_are_escaped(name, folder):
    """In messages of all kinds: the error of bad input escapes them."""
    assert data.load(str(folder)).classes == 3
    write_image(folder / "test" / name / "0.png", image_of(0, 0))
    with pytest.raises(InputError, match="test images of 'a.*b', of which none are for training") as error:
        data.load(str(folder))
    assert str(error.value).isprintable()
    (folder / "train" / name / "x.png").mkdir(parents=True)
    with pytest.raises(InputError, match="x.png is a folder") as error:
        data.load(str(folder))
    assert str(error.value).isprintable() and repr(name)[1:-1] in str(error.value)


def test_a_name_that_is_not_utf_8_is_one_line(folder):
    os.mkdir(os.path.join(os.fsencode(folder), b"train", b"caf\xe9"))
    with pytest.raises(InputError, match="cannot be had here .*'utf-8' codec can't decode"):
        data.load(str(folder))


def test_images_in_a_hidden_folder_make_no_class(folder):
    write_image(folder / "train" / ".ipynb_checkpoints" / "0.png", image_of(1, 0))
    with pytest.raises(InputError, match="is in a hidden folder, which is no class; remove .*ipynb_checkpoints$"):
        data.load(str(folder))


def test_folders_that_are_wrong_are_one_line(folder, tmp_path):
    def refused(name, message, **settings):
        with pytest.raises(InputError, match=f"^[^\n]*{message}[^\n]*$"):
            data.load(str(name), **settings)

    refused(tmp_path / "nosuch", "nosuch is no folder; name one with images in SPLIT/CLASS/, as train/cat/1.png")
    refused(folder / "train" / "cat" / "0.png", "0.png is no folder")
    refused(folder / "train" / "cat", "has no class folders; it needs images in SPLIT/CLASS/")
    refused(folder / "train", "has no split 'train', but|has no class folders")
    write_image(folder / "train" / "cat" / "large.png", image_of(1, 0, (8, 9, 1)))
    refused(folder, "(8x9 pixels, .* has 8x8|8x8 pixels, .* has 8x9); bring all images to one size")
    (folder / "train" / "cat" / "large.png").write_bytes(b"no image")
    refused(folder, "large.png is not an image that can be read; mend or remove it")
    (folder / "train" / "cat" / "large.png").unlink()
    write_image(folder / "test" / "fish" / "0.png", image_of(0, 0))
    refused(folder, "pets has test images of 'fish', of which none are for training; add some, or remove them")
    assert data.load(str(folder), splits="train,validation").classes == 3
    (folder / "test" / "fish" / "0.png").unlink()
    for path in (*folder.glob("*/dog/*"), *folder.glob("*/cat/*")):
        path.unlink()
    refused(folder, "has images of one class only, 'bird'; it needs two or more")
    for path in folder.glob("test/bird/*"):
        path.unlink()
    refused(folder, "split 'test' of data set .* has no images")


@pytest.mark.parametrize("name", ["huggingface:mnist", "kaggle:mnist", "nobody:mnist", "mnist:"])
def test_a_set_of_another_namespace_is_one_line(name, capfd):
    with pytest.raises(InputError, match=f"^data set '{name}' cannot be had here [^\n]*$"):
        data.load(name)
    assert capfd.readouterr() == ("", "")


def test_a_folder_may_lie_in_the_home_here_or_in_data_dir(folder, monkeypatch):
    fingerprint = data.load(str(folder)).fingerprint
    monkeypatch.setenv("HOME", str(folder.parent))
    monkeypatch.chdir(folder.parent)
    for name in ("~/pets", "./pets", "pets", "pets/", f"../{folder.parent.name}/pets"):
        assert data.load(name).fingerprint == fingerprint
    monkeypatch.chdir("/")
    assert data.load("pets", data_dir=str(folder.parent)).fingerprint == fingerprint
    (folder.parent / "mnist").mkdir()
    monkeypatch.chdir(folder.parent)
    with pytest.raises(
        InputError, match="data set 'mnist' cannot be had here .*no "
    ):  # a name that is known is no folder
        data.load("mnist", data_dir=str(folder), download=False)


@pytest.mark.parametrize(
    "name, title",
    [
        ("/home/somebody/my pets", "my_pets"),
        ("~/pets/", "pets"),
        ("../pets", "pets"),
        ("pets/small", "pets_small"),
        ("emnist/balanced", "emnist_balanced"),
        ("cifar10", "cifar10"),
        ("mnist:3.0.1", "mnist_3.0.1"),
    ],
)
def test_results_are_not_named_after_where_a_folder_lies(name, title, tmp_path):
    spec = Spec.of(dataset=name)
    assert paths.title_of(name) == title and name_of(spec) == f"fcn_signed_{title}"
    Run(tmp_path, name_of(spec), 0)  # a name that a folder of results can have


def test_a_run_on_a_folder(folder, tmp_path):
    spec = Spec.of(dataset=str(folder), splits="train,validation", epochs=1, batch_size=4)
    unit = jobs.job_of(name_of(spec), spec, tmp_path)
    options = training.Options(progress=0, log=lambda line: None, jit_compile=False)
    jobs.train(unit, functools.partial(jobs.load, None, None), options)
    record = json.loads((tmp_path / "fcn_signed_pets" / "seed0.json").read_text())
    assert record["spec"]["splits"] == "train,validation"
    fingerprint = data.load(str(folder), splits="train,validation").fingerprint
    assert record["data"] == {"name": "pets", "input_shape": [8, 8, 1], "classes": 3, "fingerprint": fingerprint}
