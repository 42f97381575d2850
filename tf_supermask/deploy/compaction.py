"""Exact removal of dead units: a smaller plain Keras model with the same outputs.

A unit without incoming weights is constant: it has the same value for all inputs, 0 if it has no bias. A unit without outgoing
weights has no effect. Both are dead, and are removed with all that only they read. A constant other than 0 is moved into the bias
of the next layer with a kernel.

    constants     forward, layer by layer: which channels are constant, and their values
    needed        from the outputs back, until nothing changes: which channels reach the outputs

Channels that elementwise layers and additions join stay or go together: a channel of a stage of a ResNet stays as long as any of
its blocks needs it. Channels of the input are not removed: images stay as they are. What each layer does is in structure.
"""

import keras

from tf_supermask import cloning, conversion
from tf_supermask.deploy import attention_rules, kernel_rules
from tf_supermask.deploy.channels import last
from tf_supermask.deploy.structure import Structure


class Analysis(Structure):
    """Which units of a plain functional or Sequential model are dead."""

    def __init__(self, model):
        super().__init__(model)
        steps = [*reversed(self.understood.values())]
        while any([self._require(step) for step in steps]) or any([self._one_at_least(step) for step in steps]):
            pass

    def _require(self, step):
        pairs = zip(step.inputs, step.reads(), strict=False)
        return any([self.channels.require(tensor.channels[features]) for tensor, features in pairs])

    def _one_at_least(self, step):
        """Makes the first unit of a layer needed if none is."""
        none = step.makes_units and not step.keep(step.result).any()
        return none and self.channels.require(step.result.channels[:1])

    def units(self, layer):
        """`[alive, all]`: units of a layer with kernels; None if it is kept whole."""
        step = self.understood.get(layer)
        return [int(step.keep(step.result).sum()), len(step.result.channels)] if step and step.has_kernel else None

    def report(self):
        """Layer name -> dict, for layers with kernels that compaction knows, those inside models as `model/layer`: units and
        input features as [alive, all], and `kept`, why dead units stay or why the layer is not understood, else None."""
        return dict(self._rows(self.model, ""))

    def _rows(self, model, prefix):
        for layer in model.layers:
            if layer in self.understood and self.understood[layer].has_kernel:
                yield prefix + layer.name, self._row(layer)
            elif layer in self.whole and type(layer) in _WITH_KERNELS:
                yield prefix + layer.name, _whole(*self.whole[layer])
            elif self.opened(layer):
                yield from self._rows(layer, f"{prefix}{layer.name}/")

    def _row(self, layer):
        step = self.understood[layer]
        needed, reads = step.keep(step.result), step.reads() or [step.keep(step.inputs[0])]
        dead = step.result.channels[(step.result.values == 0) & needed]
        return {
            "units": self.units(layer),
            "inputs": [int(reads[0].sum()), len(reads[0])],
            "kept": self.channels.reason(dead[0]) if len(dead) else None,
        }

    def compacted(self):
        """The model without its dead units."""
        return self._compacted(self.model)

    def _compacted(self, model, inputs=None):
        """The same of a model inside, on new `inputs`."""

        def made(layer):
            if self.opened(layer):
                return self._compacted(layer, [self._smaller(tensor) for tensor in self.graphs[layer].inputs])
            step = self.understood.get(layer)
            return cloning.copied(layer, **step.changes() if step else {})

        small, pairs = cloning.cloned(model, made, inputs)
        for layer, copy in pairs:
            if layer in self.understood:
                cloning.carry(layer, copy, self.understood[layer].weights())
            elif layer in self.whole:
                cloning.carry(layer, copy)
            elif not layer.trainable:
                copy.trainable = False
        return small

    def _smaller(self, symbol):
        """The input of a model inside, with the features that stay."""
        features = self.channels.keep(self.tensors[id(symbol)].channels)
        return keras.Input(batch_shape=(*symbol.shape[:-1], int(features.sum())), dtype=symbol.dtype, name=symbol.name)


_WITH_KERNELS = {*kernel_rules.RULES, *attention_rules.RULES}


def _whole(call, reason):
    """The row of a layer that keeps all its units."""
    inputs, units = last(call.inputs[0]), last(call.outputs[0])
    return {"units": [units, units], "inputs": [inputs, inputs], "kept": reason}


def compact(model):
    """`model` without its dead units, as a plain Keras model whose outputs are the same but for rounding.

    `model`: Sequential or functional, with masked and plain layers; it is not changed. Every layer keeps at least one unit.
    Units of dense layers and EinsumDense layers like them, of convolutions of one to three axes, depthwise and separable ones,
    and units and heads of MultiHeadAttention are removed, also in models inside the model, and through pooling, padding, batch
    normalization, activations of each channel by itself, merging layers, and reshaping that keeps channels apart.
    All other layers keep all their channels and all that they read, and so do layers that are used more than once or called
    with arguments such as `training=True`; `summary` and `Analysis.report` name them. Raises ValueError for a model that Keras
    cannot clone.
    """
    return Analysis(conversion.strip_masks(model)).compacted()
