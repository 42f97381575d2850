"""Buffers of a program in C: no output is overwritten while it is read."""

import itertools
import types

from hypothesis import given
from hypothesis import strategies as st

from tf_supermask.deploy.c_layers import memory_of


@st.composite
def chains(draw):
    """Stages; one that copies is not longer than what it reads."""
    stages, most = [], 50
    for kind in draw(st.lists(st.sampled_from(["dense", "conv", "copy"]), min_size=1, max_size=8)):
        units = draw(st.integers(1, most if kind == "copy" else 50))
        stages.append(types.SimpleNamespace(outputs=1, units=units, kind=kind))
        most = units
    return stages


@given(chains())
def test_neighbours_do_not_overlap_and_the_largest_pair_decides(stages):
    """Oracle: the places of outputs as ranges. A stage that copies works in place, and keeps the place."""
    starts, size = memory_of(stages)
    for (start, before), (other, stage) in itertools.pairwise(zip(starts, stages[:-1], strict=True)):
        assert stage.kind == "copy" and start == other or start + before.units <= other or other + stage.units <= start
    reserved = most = 0
    for start, stage in zip(starts, stages[:-1], strict=True):
        assert 0 <= start <= start + stage.units <= size
        if stage.kind != "copy" or not reserved:
            most, reserved = max(most, reserved + stage.units), stage.units
    assert size == most
