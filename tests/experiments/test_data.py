import dataclasses
import json
import pathlib
import shutil

import numpy as np
import pytest
import tensorflow as tf
from conftest import ROOT

from tf_supermask.errors import InputError
from tf_supermask.experiments import data, paths
from tf_supermask.experiments.spec import Spec


def spec_of(**given):
    return Spec.of(**({"model": "fcn", "epochs": 3, "batch_size": 10, "shuffle": True} | given))


def collect(dataset, spec, first_epoch=0):
    return [(x.numpy(), y.numpy()) for x, y in data.batches(dataset, spec, first_epoch)]


def test_standardization_in_numpy(tiny):
    images = data.PREPROCESS["standardize"](tiny.train_images)
    flat = tiny.train_images.reshape(64, -1).astype(float)
    deviation = np.maximum(flat.std(1, keepdims=True), 1 / np.sqrt(flat.shape[1]))
    np.testing.assert_allclose(
        images.reshape(64, -1), (flat - flat.mean(1, keepdims=True)) / deviation, rtol=1e-4, atol=1e-5
    )


def test_unit(tiny):
    np.testing.assert_array_equal(data.PREPROCESS["unit"](tiny.train_images), tiny.train_images / np.float32(255))


@pytest.mark.parametrize("passes", [1, 2])
def test_an_epoch_sees_every_image_once_per_pass(tiny, passes):
    spec = spec_of(passes=passes)
    batches = collect(tiny, spec)
    steps = data.steps_per_epoch(tiny, spec)
    assert steps == -(-64 * passes // 10) and len(batches) == 3 * steps
    assert [len(y) for _, y in batches[:steps]] == [10] * (64 * passes // 10) + [64 * passes % 10]
    for epoch in range(3):
        images = np.concatenate([x for x, _ in batches[epoch * steps : (epoch + 1) * steps]])
        expected = np.concatenate([data.PREPROCESS["standardize"](tiny.train_images)] * passes)
        np.testing.assert_array_equal(
            np.sort(images.reshape(len(images), -1), 0), np.sort(expected.reshape(len(expected), -1), 0)
        )


@pytest.mark.parametrize("given", [{"augment": False}, {"augment": True}, {"affine": 1.0}])
def test_batches_depend_on_seed_and_epoch_only(tiny, given):
    spec = spec_of(**given)
    whole, steps = collect(tiny, spec), data.steps_per_epoch(tiny, spec)
    for first in (1, 2):
        for (x, y), (x_again, y_again) in zip(whole[first * steps :], collect(tiny, spec, first), strict=True):
            np.testing.assert_array_equal(x, x_again)
            np.testing.assert_array_equal(y, y_again)
    assert not np.array_equal(whole[0][1], whole[steps][1])
    assert not np.array_equal(whole[0][1], collect(tiny, dataclasses.replace(spec, seed=1))[0][1])


def test_without_shuffling_the_file_order_repeats(tiny):
    spec = spec_of(shuffle=False)
    labels = np.concatenate([y for _, y in collect(tiny, spec)])
    np.testing.assert_array_equal(labels, np.tile(tiny.train_labels, 3))


def test_augmented_images_are_flipped_crops_of_the_padded_one():
    draw = np.random.default_rng(0)
    images = draw.normal(size=(200, 6, 6, 2)).astype(np.float32)
    results = data.augment(tf.constant(images), tf.constant([1, 2], tf.int64)).numpy()
    seen = set()
    for image, result in zip(images, results, strict=True):
        crops = {
            (flip, i, j): np.pad(image[:, ::-1] if flip else image, [(4, 4), (4, 4), (0, 0)])[i : i + 6, j : j + 6]
            for flip in (False, True) for i in range(9) for j in range(9)
        }  # fmt: skip
        found = [place for place, crop in crops.items() if np.array_equal(crop, result)]
        assert found
        seen.add(found[0])
    assert {flip for flip, _, _ in seen} == {False, True}
    assert {i for _, i, _ in seen} == {j for _, _, j in seen} == set(range(9))


@pytest.mark.parametrize("shape", [(28, 28, 1), (32, 32, 3)])
def test_digits(shape):
    digits = data.load("digits", shape=shape)
    assert digits.train_images.shape == (1437, *shape) and digits.test_images.shape == (360, *shape)
    assert digits.train_images.dtype == np.uint8 and digits.train_images.max() == 255
    assert set(digits.train_labels) == set(digits.test_labels) == set(range(10))
    assert digits.fingerprint == data.load("digits", shape=shape).fingerprint
    together = np.concatenate([digits.train_images, digits.test_images]).reshape(1797, -1)
    assert len(np.unique(together, axis=0)) > 1780  # the two splits share no image but scikit-learn's own doublets


def test_evaluation_is_in_order(tiny):
    spec = spec_of()
    labels = np.concatenate([y for _, y in data.evaluation_batches(tiny, spec)])
    np.testing.assert_array_equal(labels, tiny.test_labels)


def test_unknown_set_gives_one_line_and_a_way_out():
    with pytest.raises(InputError, match="'nosuch'.*--dataset=digits.*--data_dir") as error:
        data.load("nosuch")
    assert "\n" not in str(error.value)


def recorded(run):
    """The fingerprint in a committed record."""
    return json.loads((ROOT / "results" / run / "seed0.json").read_text())["data"]["fingerprint"]


def test_real_mnist_and_its_cache(real_data, tmp_path, monkeypatch):
    first = data.load("mnist", real_data, paths.default_cache_dir())
    assert first.train_images.shape == (60_000, 28, 28, 1) and first.test_images.shape == (10_000, 28, 28, 1)
    assert first.train_labels[:5].tolist() != sorted(first.train_labels[:5].tolist())
    assert first.fingerprint == recorded("koster_table1_fcn_signed_elus")

    def no_decoding(*args, **kwargs):
        raise AssertionError("decoded again")

    import tensorflow_datasets as tfds

    (shared,) = pathlib.Path(paths.default_cache_dir()).glob("mnist*.npz")
    cache = pathlib.Path(shutil.copy(shared, tmp_path))
    with monkeypatch.context() as patch:
        patch.setattr(tfds.core.DatasetBuilder, "as_dataset", no_decoding)
        assert data.load("mnist", real_data, tmp_path).fingerprint == first.fingerprint
    damaged = bytearray(cache.read_bytes())
    damaged[len(damaged) // 2] ^= 255
    cache.write_bytes(damaged)
    assert data.load("mnist", real_data, tmp_path).fingerprint == first.fingerprint
    names = sorted(path.name for path in tmp_path.iterdir() if path.name.startswith("mnist"))
    assert names == [cache.name, cache.name + ".damaged"]


def test_real_cifar10_has_its_published_means(real_data):
    dataset = data.load("cifar10", real_data, paths.default_cache_dir())
    assert dataset.fingerprint == recorded("koster_table12_conv2_signed_elus")
    means = dataset.train_images.mean((0, 1, 2))
    np.testing.assert_allclose(means, [125.307, 122.950, 113.865], atol=5e-4)
