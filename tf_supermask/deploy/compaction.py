"""Exact removal of dead units: a smaller plain Keras model with the same outputs.

A unit without incoming weights has one value whatever the image, 0 where there is no bias; one that nothing reads does not
matter. Both go, and with them all that only served them. A constant that is not 0 goes into the bias of the next dense layer.

    constants     forward, layer by layer: which channels have one value, and which
    needed        from the outputs back, until nothing changes: which channels reach them

Tensors that elementwise layers and additions join have one set of channels, so that a channel of a ResNet's stage stays as long
as any of its blocks needs it. What is read at the input is not removed: images stay as they are.
"""

import collections

import keras
import numpy as np

from tf_supermask import cloning, conversion, graph
from tf_supermask.conversion import convertible
from tf_supermask.deploy.channels import RULES, Channels, Tensor, bias_of, foldable, kernel_of, last, pinned


class Analysis:
    """Which units of a plain functional or Sequential model are dead.

    What is not understood stays whole, and so does all that it reads: layers without a row in `RULES`, those that are used more
    than once, and those that are called with more than a tensor, as with `training=True`.
    """

    def __init__(self, model):
        self.model, self.graph, self.tensors = model, graph.of(model), {}
        self.understood = {}  # layer -> (Tensor that it reads first, Tensor that it makes)
        self.whole = {}  # layer that is not understood -> why it keeps all channels that it touches
        for tensor in self.graph.inputs:
            self.tensors[id(tensor)] = Tensor(Channels(last(tensor), "they are the input"))
        uses = collections.Counter(call.layer for call in self.graph.calls)
        for call in self.graph.calls:
            self._forward(call, uses[call.layer])
        self.kernels = [layer for layer in self.understood if convertible(layer)]
        pinned([self.tensors[id(output)] for output in self.graph.outputs], "they are the output")
        while any([self._backward(layer) for layer in self.kernels]):
            pass

    def source(self, layer):
        """What an understood layer with one input reads."""
        return self.understood[layer][0]

    def result(self, layer):
        return self.understood[layer][1]

    def _forward(self, call, uses):
        inputs = [self.tensors[id(tensor)] for tensor in call.inputs]
        rule = None if uses > 1 or call.options else next((rule for fits, rule in RULES if fits(call, inputs)), None)
        if rule:
            self.understood[call.layer] = inputs[0], rule(call, inputs)
            self.tensors[id(call.outputs[0])] = self.result(call.layer)
            return
        reason = self.whole[call.layer] = f"{call.layer.name} ({type(call.layer).__name__}) {_why(call, uses)}"
        pinned(inputs, reason)
        for output in call.outputs:
            self.tensors[id(output)] = Tensor(Channels(last(output), reason))

    def folded(self, layer):
        """Values of the input channels that can go into the bias of `layer`, nan for the others."""
        return foldable(layer, self.source(layer).values)

    def _backward(self, layer):
        source = self.source(layer)
        return source.channels.require(self.reads(layer).reshape(source.places, -1).any(axis=0))

    def reads(self, layer):
        """Bool array over the input features: those that vary and have a weight to a unit that stays."""
        used = (kernel_of(layer)[:, :, self.result(layer).channels.keep()] != 0).any(axis=(0, 2))
        return used & np.isnan(self.source(layer).features(self.folded(layer)))

    def report(self):
        """Layer name -> dict, of dense layers and convolutions: units and input features, alive and in all, and why dead units
        stay, if some do, or why the layer is not understood."""
        return {
            layer.name: self._row(layer) if layer in self.kernels else _whole(layer, self.whole[layer])
            for layer in self.model.layers
            if isinstance(layer, (keras.layers.Dense, keras.layers.Conv2D))
        }

    def _row(self, layer):
        units, reads = self.result(layer).channels, self.reads(layer)
        dead = self.result(layer).values == 0
        return {
            "units": [int(units.keep().sum()), units.size],
            "inputs": [int(reads.sum()), reads.size],
            "kept": units.root().reason if (dead & units.keep()).any() else None,
        }

    def compacted(self):
        """The model without its dead units."""
        small, pairs = cloning.cloned(self.model, lambda layer: cloning.copied(layer, **self._changes(layer)))
        for layer, copy in pairs:
            if layer in self.understood and layer.weights:
                cloning.fill(copy, self._weights(layer))
            else:
                cloning.carry(layer, copy)
        return small

    def _changes(self, layer):
        """What becomes another in the configuration of a layer."""
        if layer not in self.kernels:
            return {}
        units = self.result(layer).channels.keep()
        size = "units" if isinstance(layer, keras.layers.Dense) else "filters"
        return {size: int(units.sum()), "use_bias": bool(layer.use_bias or self._bias(layer)[units].any())}

    def _weights(self, layer):
        """The arrays of an understood layer, of the channels that stay."""
        units = self.result(layer).channels.keep()
        if layer not in self.kernels:
            return [values[units] for values in layer.get_weights()]
        kernel, bias = np.asarray(layer.kernel)[..., self._stay(layer), :][..., units], self._bias(layer)[units]
        return [kernel, bias] if self._changes(layer)["use_bias"] else [kernel]

    def _stay(self, layer):
        return self.source(layer).features(self.source(layer).channels.keep())

    def _bias(self, layer):
        """Of all units, with what the channels give that go."""
        values = np.where(self._stay(layer), 0, np.nan_to_num(self.source(layer).features(self.folded(layer))))
        return bias_of(layer) + np.tensordot(values, kernel_of(layer).sum(axis=0), 1).astype(np.float32)


def _why(call, uses):
    """What keeps the call of a layer from being understood."""
    if uses > 1:
        return f"is used {uses} times"
    return f"is called with {', '.join(call.options)}" if call.options else "may use any of them"


def _whole(layer, reason):
    """The row of a layer that stays whole."""
    *_, inputs, units = layer.kernel.shape
    return {"units": [units, units], "inputs": [inputs, inputs], "kept": reason}


def compact(model):
    """`model` without its dead units, as a plain Keras model whose outputs are the same but for rounding.

    `model`: Sequential or functional, with masked and plain layers; it is left as it is. Every layer keeps at least one unit.
    What is neither dense, convolution, pooling, normalization, activation, addition nor flattening stays whole, with all that it
    reads, and so do layers that are used more than once, or called with arguments such as `training=True`: `summary` and
    `Analysis.report` name them. Raises ValueError for a model of which Keras can make no clone.
    """
    return Analysis(conversion.strip_masks(model)).compacted()
