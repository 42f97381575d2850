"""Trained networks that come with the package: zoo.load("mnist_sinn1")

Each is a container of a committed run, with a card. `python -m tf_supermask.report` makes both from the records.
"""

import json
import pathlib

from tf_supermask.deploy import loading
from tf_supermask.deploy.container_format import ENDING
from tf_supermask.errors import InputError

_FOLDER = pathlib.Path(__file__).parent


def names():
    """The names of all networks, sorted."""
    return sorted(_cards())


def card(name):
    """What is known of a network: a dict.

    `data`, `input_shape`, `classes`, `preprocess`: what it reads; `test_accuracy` in percent on the test set of `data`;
    `weights`, how many remain, and `of` how many; `bytes` of the file; `record` it comes from, and the `command` that makes
    that again.

    Raises InputError for a name that is not in `names()`.
    """
    cards = _cards()
    if not isinstance(name, str) or name not in cards:
        raise InputError(f"{name!r} is not in the zoo; choose from {', '.join(sorted(cards))}")
    return cards[name]


def load(name, masked=False):
    """A network as a plain Keras model, not compiled, or with masks so that training can go on; see `tf_supermask.load`.

    It reads images prepared as `card(name)["preprocess"]` says: "standardize" is `tf.image.per_image_standardization`, "unit"
    divides by 255. Raises InputError for a name that is not in `names()`.
    """
    card(name)
    return loading.load(_FOLDER / f"{name}{ENDING}", masked=masked)


def _cards():
    return json.loads((_FOLDER / "cards.json").read_text())
