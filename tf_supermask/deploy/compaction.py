"""Exact removal of dead units: a smaller plain Keras model with the same outputs.

A unit without incoming weights is constant: it has the same value for all images, 0 if it has no bias. A unit without outgoing
weights has no effect. Both are dead, and are removed with all that only they read. A constant other than 0 is moved into the bias
of the next layer with a kernel.

    constants     forward, layer by layer: which channels are constant, and their values
    needed        from the outputs back, until nothing changes: which channels reach the outputs

Tensors that elementwise layers and additions join share one set of channels: a channel of a stage of a ResNet stays as long as
any of its blocks needs it. Channels of the input are not removed: images stay as they are.
"""

import collections

import keras
import numpy as np

from tf_supermask import cloning, conversion, graph
from tf_supermask.choosing import convertible
from tf_supermask.deploy.channels import RULES, Channels, Tensor, bias_of, foldable, kernel_of, last, pinned


class Analysis:
    """Which units of a plain functional or Sequential model are dead.

    A layer that is not understood keeps all its channels and all that it reads: a layer without a row in `RULES`, one that is
    used more than once, and one that is called with more than a tensor, such as `training=True`.
    """

    def __init__(self, model):
        self.model, self.graph, self.tensors = model, graph.of(model), {}
        self.understood = {}  # layer -> (the first Tensor that it reads, the Tensor that it returns)
        self.whole = {}  # layer that is not understood -> why all channels that it reads and returns stay
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
        """The Tensor that an understood layer reads."""
        return self.understood[layer][0]

    def result(self, layer):
        """The Tensor that an understood layer returns."""
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
        """Values of the input features that can be moved into the bias of `layer`, nan for the others."""
        return foldable(layer, self.source(layer).values)

    def _backward(self, layer):
        source = self.source(layer)
        return source.channels.require(self.reads(layer).reshape(source.places, -1).any(axis=0))

    def reads(self, layer):
        """Bool array over the input features: those that vary and have a weight other than 0 to a unit that stays."""
        used = (kernel_of(layer)[:, :, self.result(layer).channels.keep()] != 0).any(axis=(0, 2))
        return used & np.isnan(self.source(layer).features(self.folded(layer)))

    def report(self):
        """Layer name -> dict, for dense layers and convolutions: units and input features as [alive, all], and `kept`, why dead
        units stay or why the layer is not understood, else None."""
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
        """The changes to the configuration of a layer."""
        if layer not in self.kernels:
            return {}
        units = self.result(layer).channels.keep()
        size = "units" if isinstance(layer, keras.layers.Dense) else "filters"
        return {size: int(units.sum()), "use_bias": bool(layer.use_bias or self._bias(layer)[units].any())}

    def _weights(self, layer):
        """The weights of an understood layer for the channels that stay."""
        units = self.result(layer).channels.keep()
        if layer not in self.kernels:
            return [values[units] for values in layer.get_weights()]
        kernel, bias = np.asarray(layer.kernel)[..., self._stay(layer), :][..., units], self._bias(layer)[units]
        return [kernel, bias] if self._changes(layer)["use_bias"] else [kernel]

    def _stay(self, layer):
        return self.source(layer).features(self.source(layer).channels.keep())

    def _bias(self, layer):
        """Biases of all units, with the constants of the channels that are removed."""
        values = np.where(self._stay(layer), 0, np.nan_to_num(self.source(layer).features(self.folded(layer))))
        return bias_of(layer) + np.tensordot(values, kernel_of(layer).sum(axis=0), 1).astype(np.float32)


def _why(call, uses):
    """Why the call of a layer is not understood."""
    if uses > 1:
        return f"is used {uses} times"
    return f"is called with {', '.join(call.options)}" if call.options else "may use any of them"


def _whole(layer, reason):
    """The row of a layer that keeps all its units."""
    *_, inputs, units = layer.kernel.shape
    return {"units": [units, units], "inputs": [inputs, inputs], "kept": reason}


def compact(model):
    """`model` without its dead units, as a plain Keras model whose outputs are the same but for rounding.

    `model`: Sequential or functional, with masked and plain layers; it is not changed. Every layer keeps at least one unit.
    Layers other than dense, convolution, pooling, normalization, activation, addition and flattening keep all their channels
    and all that they read, and so do layers that are used more than once or called with arguments such as `training=True`;
    `summary` and `Analysis.report` name them. Raises ValueError for a model that Keras cannot clone.
    """
    return Analysis(conversion.strip_masks(model)).compacted()
