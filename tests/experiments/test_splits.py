"""Parts of splits, for training and for the test, against slices of a list."""

import pytest
from pictures import pictures

from tf_supermask.errors import InputError
from tf_supermask.experiments.splits import Part, names_of, parts_of


@pytest.fixture(scope="module")
def infos(tmp_path_factory):
    return pictures(tmp_path_factory.mktemp("tfds"), SPLITS={"train": 60, "test": 10}).info.splits


@pytest.mark.parametrize(
    "splits, first, second",
    [
        (None, [Part("train", 0, 60)], [Part("test", 0, 10)]),
        ("test,train", [Part("test", 0, 10)], [Part("train", 0, 60)]),
        ("train[:80%], train[80%:]", [Part("train", 0, 48)], [Part("train", 48, 60)]),
        ("train[5:7]+train[20:],test", [Part("train", 5, 7), Part("train", 20, 60)], [Part("test", 0, 10)]),
    ],
)
def test_parts_are_those_of_slices(infos, splits, first, second):
    assert parts_of("x", infos, splits) == [first, second]


@pytest.mark.parametrize(
    "splits, message",
    [
        ("train", "must name two"),
        ("train,", "must name two"),
        ("train,nosuch", "no split 'nosuch', but train, test"),
        ("train[:50%],train[40%:]", "images of 'train' twice"),
        ("train,test[:0]", "'test\\[:0\\]' .* has no images"),
    ],
)
def test_splits_that_are_wrong(infos, splits, message):
    with pytest.raises(InputError, match=message):
        parts_of("x", infos, splits)


def test_names_without_images():
    assert names_of(None) == ["train", "test"] and names_of(" a , b[:3]") == ["a", "b[:3]"]
