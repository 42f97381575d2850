"""The examples of a data set for training and for the test: --splits=train,validation"""

import itertools
from typing import NamedTuple

from tf_supermask.errors import InputError

SPLITS = "train,test"


class Part(NamedTuple):
    """Examples `first` to `end`, without `end`, of a split."""

    split: str
    first: int
    end: int


def names_of(splits):
    """The two that `splits` names. Raises InputError."""
    names = [name.strip() for name in (SPLITS if splits is None else splits).split(",")]
    if len(names) != 2 or not all(names):
        raise InputError(f"--splits={splits} must name two, for training and for the test: --splits=train,validation")
    return names


def parts_of(name, infos, splits):
    """For training and for the test a list of Parts; `infos`: tfds.core.SplitDict. Raises InputError."""
    import tensorflow_datasets as tfds

    sides = []
    for text in names_of(splits):
        try:
            read = tfds.core.ReadInstruction.from_spec(text).to_absolute(infos)
        # tfds asserts that a part lies within its split.
        except (ValueError, KeyError, AssertionError, NotImplementedError) as error:
            raise InputError(
                f"data set {name!r} has no split {text!r}, but {', '.join(infos)}; name two, or parts of them, with "
                "--splits=train,validation or --splits=train[:80%],train[80%:]"
            ) from error
        sizes = [infos[piece.splitname].num_examples for piece in read]
        ends = [size if piece.to is None else piece.to for piece, size in zip(read, sizes, strict=True)]
        sides.append([Part(piece.splitname, piece.from_ or 0, end) for piece, end in zip(read, ends, strict=True)])
        if sum(part.end - part.first for part in sides[-1]) < 1:
            raise InputError(f"split {text!r} of data set {name!r} has no images")
    for one, other in itertools.combinations(itertools.chain(*sides), 2):
        if one.split == other.split and max(one.first, other.first) < min(one.end, other.end):
            raise InputError(f"--splits={splits} names images of {one.split!r} twice; give two that share none")
    return sides
