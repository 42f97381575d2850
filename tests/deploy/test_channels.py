"""Channels of a graph: joined ones stay or go together."""

import numpy as np

from tf_supermask.deploy.channels import Channels


def test_joined_channels_are_needed_together():
    channels = Channels()
    one, other, third = channels.new(3), channels.new(3), channels.new(2)
    channels.join(one, other)
    assert not channels.keep(other.channels).any() and np.isnan(one.values).all()
    assert channels.require(other.channels[[1]]) and not channels.require(one.channels[[1]])
    np.testing.assert_array_equal(channels.keep(one.channels), [False, True, False])
    channels.pin([third], "the reason")
    assert channels.keep(third.channels).all() and channels.needed().sum() == 3
    assert channels.reason(third.channels[1]) == "the reason" and channels.reason(one.channels[1]) is None
