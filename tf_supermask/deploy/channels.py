"""The channels of the tensors of a graph, for compaction: which of them stay or go together, and which are needed.

A feature of a tensor is a place on its last axis. It belongs to a channel, and has the same value for all inputs, or varies.
A flattened image has several features of each channel.
"""

import functools
from typing import NamedTuple

import numpy as np
import scipy.sparse
from keras import ops


class Tensor(NamedTuple):
    """What is known of the features of a tensor: two arrays, the channel of each, and its value, nan if it varies."""

    channels: np.ndarray
    values: np.ndarray


class Channels:
    """All channels of a graph, by number. Those that are joined stay or go together."""

    def __init__(self):
        self._needed = np.zeros(0, bool)  # channel -> whether it, or one that it is joined with, was found to be needed
        self._joins, self._pins = [], []

    def new(self, size, values=None):
        """A Tensor with `size` new channels, which vary unless their values are given."""
        first, self._needed = len(self._needed), np.append(self._needed, np.zeros(size, bool))
        return Tensor(np.arange(first, first + size), np.full(size, np.nan) if values is None else values)

    def join(self, one, other):
        """Joins the features of two tensors, one by one."""
        self._joins.append((one.channels, other.channels))

    @functools.cached_property
    def groups(self):
        """Array: the number of the group that each channel belongs to. After it is read, there are no more joins."""
        size = len(self._needed)
        one, other = (np.concatenate([[], *side]).astype(int) for side in zip(*self._joins, ([], []), strict=True))
        edges = scipy.sparse.coo_array((np.ones(len(one), bool), (one, other)), (size, size))
        return scipy.sparse.csgraph.connected_components(edges, directed=False)[1]

    def pin(self, tensors, reason):
        """Marks all channels of tensors as needed, for a reason."""
        for tensor in tensors:
            self._pins.append((tensor.channels, reason))
            self._needed[tensor.channels] = True

    def require(self, channels):
        """Marks channels as needed. Returns whether one of them was not needed before."""
        missing = not self.keep(channels).all()
        self._needed[channels] = True
        return missing

    def needed(self):
        """Bool array: the groups that are needed."""
        needed = np.zeros(len(self._needed), bool)
        needed[self.groups[self._needed]] = True
        return needed

    def keep(self, channels):
        """Bool array: those of some channels that stay."""
        return self.needed()[self.groups[channels]]

    def reason(self, channel):
        """Why a channel was pinned, None if it was not."""
        group = self.groups[channel]
        return next((reason for channels, reason in self._pins if group in self.groups[channels]), None)


class Step:
    """A call of a layer that compaction understands.

    Attributes: layer; channels, those of the graph; inputs, a list of Tensor; result, the Tensor that the call returns.
    """

    makes_units = False  # whether the result has channels of its own: one of them stays in any case
    has_kernel = False  # whether `Analysis.report` has a row for the layer

    def __init__(self, call, inputs, channels, result):
        self.layer, self.inputs, self.channels, self.result = call.layer, inputs, channels, result

    def keep(self, tensor):
        """Bool array: the features of a Tensor that stay."""
        return self.channels.keep(tensor.channels)

    def reads(self):
        """For each of the inputs a bool array: features that what stays of the result depends on, beyond joined channels."""
        return []

    def changes(self):
        """Changes to the configuration of the layer for what stays."""
        return {}

    def weights(self):
        """The weights of the layer for what stays."""
        return self.layer.get_weights()


def array(variable):
    """The values of a variable or tensor of any backend, float32 at least."""
    values = ops.convert_to_numpy(variable)
    return values if values.dtype == np.float64 else values.astype(np.float32)


def last(tensor):
    """Size of the last axis; 1 if it is open, and for scalars."""
    return (tensor.shape and tensor.shape[-1]) or 1
