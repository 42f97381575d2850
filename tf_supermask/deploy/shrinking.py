"""Exact removal of dead units while masks are trained: a smaller masked model that trains on with the same numbers.

Take a unit of a masked layer without bias, between layers that map 0 to 0. If all its incoming and all its outgoing weights are
masked, then

    its output is 0                                so the gradient of each outgoing weight is 0,
    the gradient that comes back to it is 0        so the gradient of each incoming weight is 0,

and the gradients of all its scores are exactly 0. Both sides are needed: the gradient of an incoming score comes through the
outgoing weights, that of an outgoing score is proportional to the output. The unit is dead for good if what the optimizer still
does without gradient moves none of these scores to where its mask is not 0: `drift` has the bound. Then the same is true after
each step. Clipping by norm or by value sees a gradient of which only zeros are left out.
"""

from typing import NamedTuple

import keras
import numpy as np

from tf_supermask import cloning, graph, masks, sparsity
from tf_supermask.deploy.drift import drifts, exclude_the_same, reachable, velocities
from tf_supermask.deploy.structure import Structure
from tf_supermask.layers import SignedMaskConv2D, SignedMaskDense
from tf_supermask.signed_mask import SignedMask

_MASKED = (SignedMaskDense, SignedMaskConv2D)
# Layers without weights that treat each channel by itself and do the same in training. Dropout is none: what it draws for a
# unit depends on how many there are.
_STEADY = (
    keras.layers.Flatten, keras.layers.MaxPooling2D, keras.layers.AveragePooling2D, keras.layers.GlobalMaxPooling2D,
    keras.layers.GlobalAveragePooling2D, keras.layers.Activation, keras.layers.ReLU, keras.layers.ELU, keras.layers.LeakyReLU,
    keras.layers.Add,
)  # fmt: skip


class Shrunk(NamedTuple):
    """A smaller model, and where its units were.

    Attributes:
        model: the smaller masked model, compiled as the larger one, with the state of its optimizer.
        kept: layer name -> `(inputs, units)`, two int arrays: the indices that the input features and the units of a layer of
            the smaller model have in the larger one. Layers that are not named are as they were.
    """

    model: keras.Model
    kept: dict

    def write_back(self, model):
        """Copies all variables, and those of the optimizer, to their places in `model`, the larger one. The scores of units
        that were removed stay as they are there: their mask is 0. Raises ValueError for a model that does not fit, by its layers,
        its frozen weights or its optimizer; nothing is written then."""
        cloning.keras_model(model)
        velocities(self.model)  # raises ValueError for an optimizer that the larger model cannot have had
        frozen = {id(layer.weight) for layer in model.layers if isinstance(layer, SignedMask) and not layer.weight.trainable}
        written = []
        try:
            for large, small, index in _paired(model, self):
                values = np.asarray(large).copy()
                if id(large) in frozen and not np.array_equal(values[index], np.asarray(small)):
                    raise ValueError(f"{large.path} has other values")
                values[index] = np.asarray(small)
                written.append((large, values))
        except (IndexError, KeyError, ValueError) as error:
            raise ValueError(
                f"`model` must be the one that was shrunk, with its layers and optimizer. Received: another, {model.name}"
            ) from error
        for large, values in written:
            large.assign(values)


def shrink(model):
    """`model` without the units that are dead for good, for training to go on: `smaller, kept = shrink(model)`.

    A unit of a Dense layer or filter of a convolution is removed, with its rows and columns of weights, scores and momentum, if
    all its incoming and all its outgoing weights are masked, its output is 0 and stays 0, and the momentum that is left can bring
    no score back (the bound is in `tf_supermask.deploy.drift`). Training the smaller model gives the same numbers as training
    `model`, but for rounding: sums have fewer terms. Where values are equal before a maximum, or 0 before ReLU, as signed
    constants make them on images of few grey values, rounding decides, and the two trainings part as those of two seeds do.

    Args:
        model: Sequential or functional model with masked layers; it is left as it is. Compiled with SGD, or not compiled, which
            counts as without momentum. Learning rate times weight decay has to be from 0 to 1, at all steps of a schedule too.

    Returns: `Shrunk`, a tuple `(model, kept)`: the smaller model, and layer name -> `(inputs, units)`, the indices of its input
        features and units in `model`. Its method `write_back(model)` copies what was trained, and the state of the optimizer, to
        their places in `model`. Each layer keeps at least one unit. Masked Dense and Conv2D layers, pooling,
        flattening, frozen batch normalization, addition, and activations of each channel by itself with f(0) = 0 are understood;
        what any other layer touches is kept, and so are units with a bias and layers with `rescale` or a rule that samples.

    Raises:
        ValueError: the model has no masks, Keras can make no clone of it, its class trains in a way that the clone does not, or
            the momentum of its optimizer has no known bound.
    """
    shrinker = Shrinker(model)
    if not any(hasattr(type(layer), "masked_kernels") for layer in graph.inside(model)):
        raise ValueError(f"{model.name} has no masks, by which units could be dead; mask_model gives it some")
    return shrinker.shrunk(shrinker.live())


class Shrinker:
    """What can be removed from a model, found once, while its scores change."""

    def __init__(self, model):
        cloning.checked(model)
        self.model = model
        structure = Structure(_with_all_masked(model), open_models=False)
        layers = {layer.name: layer for layer in model.layers}
        self.channels = structure.channels
        self.tensors = {}  # name of a layer -> (the first Tensor that it reads, the Tensor that it returns)
        for outline, step in structure.understood.items():
            _pin(layers[outline.name], step)
            self.tensors[outline.name] = step.inputs[0], step.result
        self.layers = {name: layers[name] for name in self.tensors if _shrinkable(layers[name])}
        self.macs = sparsity.macs(model)

    def live(self):
        """Masked layer -> bool array of its units: those that are not dead for good."""
        drift, groups = drifts(self.model), self.channels.groups
        live = self.channels.needed()  # of groups of channels
        for name, layer in self.layers.items():
            source, result = self.tensors[name]
            scores = reachable(layer, drift.get(id(layer.score)))
            scores = scores.reshape(-1, *scores.shape[-2:])
            inputs, units = scores.any(axis=(0, 2)), scores.any(axis=(0, 1))
            live[groups[source.channels[inputs | (source.values != 0)]]] = True
            live[groups[result.channels[units]]] = True
        made = {name: groups[self.tensors[name][1].channels] for name in self.layers}
        for units in made.values():  # each layer keeps at least one, and with it all that are added to it
            live[units[0]] |= not live[units].any()
        return {name: live[units] for name, units in made.items()}

    def kept(self, live):
        """Layer -> (indices of its input features, of its units), of layers that are understood; `live` as of `self.live()`."""
        groups = self.channels.groups
        left = np.ones(len(groups), bool)  # of groups of channels
        for name, units in live.items():
            left[groups[self.tensors[name][1].channels]] = units
        return {
            name: tuple(np.flatnonzero(left[groups[tensor.channels]]) for tensor in tensors)
            for name, tensors in self.tensors.items()
        }

    def _has_channels(self, name):
        """Whether the variables of a layer have a place for each of its channels."""
        return name in self.layers or type(self.model.get_layer(name)) is keras.layers.BatchNormalization

    def shrunk(self, live):
        """`Shrunk`: the model with the units of `live` only."""
        kept = {name: indices for name, indices in self.kept(live).items() if self._has_channels(name)}

        def remade(layer):
            size = {SignedMaskDense: "units", SignedMaskConv2D: "filters"}.get(type(layer))
            changed = {size: len(kept[layer.name][1])} if size and layer.name in kept else {}
            return cloning.copied(layer, **changed)

        small, pairs = cloning.cloned(self.model, remade)
        cloning.same_training(self.model, small, pairs)
        for layer, copy in pairs:
            if layer.name not in kept:
                cloning.carry(layer, copy)
        if self.model.compiled and not small.compiled:
            raise ValueError(
                f"Keras cannot make the optimizer, the loss or a metric of {self.model.name} again; register it, "
                "@keras.saving.register_keras_serializable(), or name one of Keras'"
            )
        if self.model.compiled:
            exclude_the_same(self.model, small)
            if self.model.optimizer.built:
                small.optimizer.build(small.trainable_variables)
        made = Shrunk(small, kept)
        for large, variable, index in _paired(self.model, made):
            variable.assign(np.asarray(large)[index])
        return made

    def multiply_adds(self, live):
        """Multiplications of one image's way through the layers that `live` leaves; None where their number is not known."""
        if None in self.macs.values():
            return None
        left = dict(self.macs)
        for name, (inputs, units) in self.kept(live).items():
            if name in left:
                shape = sparsity.kernel_shape(self.model.get_layer(name))
                left[name] = left[name] * len(inputs) * len(units) // (shape[-2] * shape[-1])
        return sum(left.values())


# ---------------------------------------------------------------------------------------------------------------------
# What can be removed


def _with_all_masked(model):
    """A plain clone of a model, for its structure: the kernels of masked layers are 0."""
    plain, pairs = cloning.cloned(
        model, lambda layer: layer.plain() if isinstance(layer, SignedMask) else cloning.copied(layer)
    )
    for layer, copy in pairs:
        if isinstance(layer, SignedMask):
            copy.set_weights([np.zeros(weight.shape) for weight in copy.weights])
        else:
            cloning.carry(layer, copy)
    return plain


def _pin(layer, step):
    """Keeps the channels that a layer reads or makes where they are needed although their weights are masked."""
    frozen_norm = type(layer) is keras.layers.BatchNormalization and not layer.trainable
    masked = _shrinkable(layer)
    regular = getattr(layer, "activity_regularizer", None) is None
    if not (masked or (type(layer) in _STEADY or frozen_norm) and regular):
        step.channels.pin([*step.inputs, step.result], f"{layer.name} ({type(layer).__name__}) may use any of them")
    elif masked and not (regular and layer.bias is None):
        step.channels.pin([step.result], f"{layer.name} has a bias or an activity regularizer")


def _shrinkable(layer):
    """Whether a layer is masked, and the mask of each weight depends on its own score alone and changes no other weight."""
    if type(layer) not in _MASKED:
        return False
    rule = masks.rule(layer.rule)
    return rule.interval and not rule.sampled and not layer.rescale and layer.density is None


# ---------------------------------------------------------------------------------------------------------------------
# Variables of both models


def _index(variable, kept):
    """Where a variable of the smaller model lies in that of the larger one."""
    if kept is None or not len(variable.shape):
        return ...
    inputs, units = kept
    return (units,) if len(variable.shape) == 1 else (..., inputs[:, None], units)


def _paired(model, shrunk):
    """Yields `(variable of the larger model, of the smaller one, index of the latter in the former)`, the optimizer's among
    them."""
    small, index, partner = shrunk.model, {}, {}
    for layer in filter(cloning.state, model.layers):  # Keras gives an input layer another name
        for variable, other in zip(*map(cloning.state, (layer, small.get_layer(layer.name))), strict=True):
            index[id(variable)], partner[id(variable)] = _index(variable, shrunk.kept.get(layer.name)), id(other)
            yield variable, other, index[id(variable)]
    if not (model.compiled and model.optimizer.built):
        return
    others = velocities(small)
    for variable, velocity in velocities(model).items():
        yield velocity, others[partner[variable]], index[variable]
    scalars = ([its for its in of.optimizer.variables if not len(its.shape)] for of in (model, small))
    for variable, other in zip(*scalars, strict=True):
        yield variable, other, ...
