"""Masked: a mask for every kernel of any Keras layer.

    kernel = weight * mask(score)          for each kernel: weight frozen, where the layer has it; score trained

Inside `keras.StatelessScope(state_mapping)` a variable reads as the tensor that it is mapped to. So the layer runs as it is, with
`weight * mask(score)` in place of each of its kernels, on every backend of Keras.
"""

import dataclasses
import inspect
import re

import keras
from keras import ops

from tf_supermask import arguments, graph, initializers, maskable, masks, thresholds
from tf_supermask.masked_kernel import MaskedKernel, SavesDraws, add_scales, add_score, exact_as


@keras.saving.register_keras_serializable("tf_supermask")
class Masked(SavesDraws, keras.layers.Wrapper):
    """A layer with supermasks: it computes what `layer` does with `weight * mask(score)` for each of its kernels.

    The weights stay in `layer`, frozen; the scores are this layer's variables, float64 for a weight of float64, else float32.
    All other variables of `layer` are used, trained and updated as ever, and its inputs and arguments are passed on.

    Regularizers and constraints of a kernel act on `weight * mask(score)`, the former in `losses` of a call.

    Args:
        layer: any Keras layer or model, built or not, without masks, LoRA and quantization; also one of your own, if it reads
            its weights from Keras variables.
        rule: name of a mask rule, a key of `masks.RULES`.
        threshold, relative_threshold, density: as in `SignedMaskDense`, for each kernel by itself.
        rescale: multiply each kernel by its size / the number of its remaining weights.
        kernels: names of the kernels to mask. By default all trained variables of two axes or more, without biases, scales and
            embeddings; `kernels=["embeddings"]` masks those of an Embedding.
        score_initializer: initializer of the scores. Of an initializer with a seed, each kernel after the first gets another
            seed, from this one and its position.
        sample_seed: seed of the thresholds that a rule that samples draws.
        weight_initializer: what the callback `MaskUpdates("iterand")` draws weights with; by default that of `layer`.
        kwargs: name, dtype and trainable; by default those of `layer`.

    Raises:
        ValueError: the layer cannot have masks, or has no kernel, or none of a name in `kernels`: the last two when it is built.

    Example:

        keras.Sequential([keras.Input((28, 28)), Masked(keras.layers.LSTM(64)), Masked(keras.layers.Dense(10))])
    """

    def __init__(
        self,
        layer,
        rule="signed",
        threshold=None,
        relative_threshold=None,
        rescale=False,
        kernels=None,
        score_initializer="glorot_uniform",
        sample_seed=None,
        density=None,
        weight_initializer=None,
        **kwargs,
    ):
        # Keras tells tensors from options, and finds masks, by the names of arguments; it reads them in its own __init__.
        self.call = _with_signature(self.call, maskable.checked(layer).call)
        given = {"name": layer.name, "dtype": layer.dtype_policy, "trainable": layer.trainable}
        super().__init__(layer, autocast=False, **given | kwargs)  # `layer` casts its inputs and its variables itself
        self.threshold = thresholds.threshold_of(rule, threshold, relative_threshold, density)
        self.rule, self.relative_threshold, self.density = rule, relative_threshold, density
        self.rescale = arguments.switch("rescale", rescale)
        self.kernels = None if kernels is None else _names(kernels)
        self.score_initializer = initializers.needed("score_initializer", score_initializer)
        self.sample_seed = arguments.integer("sample_seed", sample_seed, low=0, optional=True)
        self.weight_initializer = weight_initializer and initializers.needed("weight_initializer", weight_initializer)
        self.supports_masking = layer.supports_masking
        self._masked = []  # MaskedKernels

    def __call__(self, *args, **kwargs):
        if not self._masked:  # `layer` is built as Keras builds it: with several shapes, with parts that only a call builds
            symbols, options = keras.tree.map_structure(_symbol, (args, kwargs))
            self.layer(*symbols, **options)
            self.build()
        return super().__call__(*args, **kwargs)

    def build(self, input_shape=None, *shapes, **named_shapes):
        """Builds `layer` with the shapes that its own `build` takes, and adds the scores."""
        if not self.layer.built:
            if type(self.layer).build is keras.layers.Layer.build:  # only a call builds its parts
                self.layer(keras.tree.map_shape_structure(keras.KerasTensor, input_shape))
            else:
                named_only = named_shapes and input_shape is None
                self.layer.build(*(() if named_only else (input_shape, *shapes)), **named_shapes)
        if masks.rule(self.rule).sampled:
            self.seed_generator = keras.random.SeedGenerator(self.sample_seed)
        chosen = self._chosen()
        self._masked = [self._add(name, kernel, i) for i, (name, kernel) in enumerate(chosen.items())]
        self.input_spec = self.layer.input_spec

    def _chosen(self):
        """Name -> variable of the kernels to mask."""
        who, found = f"{self.layer.name} ({type(self.layer).__name__})", maskable.kernels_of(self.layer)
        names = list(maskable.chosen(self.layer)) if self.kernels is None else self.kernels
        if not names:
            further = f": only {', '.join(found)}, which kernels={list(found)} masks" if found else "; use it as it is"
            raise ValueError(f"{who} has no kernel to mask{further}")
        unknown = [name for name in names if name not in found]
        if unknown:
            raise ValueError(f"`kernels` of {who} can be {', '.join(found) or 'none'}. Received: {', '.join(unknown)}")
        return {name: found[name] for name in names}

    def _add(self, name, kernel, position):
        """The MaskedKernel of a variable, which is frozen."""
        prefix = re.sub(r"\W", "_", name)
        exact, fans = exact_as(kernel.dtype), maskable.fan_shape(self.layer, kernel)
        initializer = initializers.reshaped(initializers.at(position, self.score_initializer), fans)
        rule, threshold = masks.rule(self.rule), self.threshold
        score = add_score(self, f"{prefix}_score", kernel.shape, initializer, **exact)
        if self.relative_threshold is not None:
            threshold = self.add_weight(
                name=f"{prefix}_threshold",
                shape=(),
                initializer=lambda shape, dtype: self.relative_threshold * ops.max(ops.abs(score)),
                trainable=False,
                **exact,
            )
        masked, trainable = MaskedKernel(self, name, kernel, score, threshold), kernel.trainable and self.trainable
        masked.trained.trainable, masked.frozen.trainable = trainable, False
        if rule.latent:
            masked.start_from(kernel)
        return dataclasses.replace(masked, scales=add_scales(self, f"{prefix}_scales", **exact))

    @property
    def trainable(self):
        """Whether scores, biases and all else that is not frozen for good are trained."""
        return super().trainable

    @trainable.setter
    def trainable(self, value):
        keras.layers.Wrapper.trainable.fset(self, value)
        for kernel in self._masked:
            kernel.frozen.trainable = False

    def call(self, *args, **kwargs):
        kernels = {id(kernel.weight): kernel.value() for kernel in self._masked}
        variables = graph.variables(self.layer)
        # All of them: on JAX there is a scope with their values already, which this one hides.
        mapping = [(v, kernels[id(v)] if id(v) in kernels else v.value) for v in variables]
        with keras.StatelessScope(mapping, collect_losses=True) as scope:
            before = [scope.get_current_value(v) for v in variables]
            outputs = self.layer(*args, **kwargs)
        for variable, value in zip(variables, before, strict=True):
            self._update(variable, value, scope.get_current_value(variable))
        for loss in scope.losses:
            self.add_loss(1 * loss)  # another tensor: Keras knows losses by their identity, and `layer` has this one
        for kernel in self._masked:
            if kernel.weight.regularizer is not None and not kernel.rule.given:  # Keras adds that of a trained weight
                self.add_loss(kernel.weight.regularizer(kernels[id(kernel.weight)]))
        return outputs

    def _update(self, variable, before, now):
        """Gives a variable the value that the call of `layer` has given it: statistics, states, seeds."""
        if now is before:
            return
        if any(variable is kernel.weight for kernel in self._masked):
            raise ValueError(
                f"{self.layer.name} sets its kernel {variable.name} in a call, so that it cannot be masked"
            )
        variable.assign(now)

    @property
    def masked_kernels(self):
        """Name -> MaskedKernel. Raises ValueError before the layer is built."""
        if not self._masked:
            raise ValueError(f"{self.name} is not built, and has no mask yet: call it, or build(input_shape)")
        return {kernel.name: kernel for kernel in self._masked}

    @property
    def mask(self):
        """Name of a kernel -> its mask, as of `SignedMaskDense`."""
        return {name: kernel.mask() for name, kernel in self.masked_kernels.items()}

    @property
    def effective_kernel(self):
        """Name of a kernel -> weight * mask(score), as of `SignedMaskDense`."""
        return {name: kernel.array() for name, kernel in self.masked_kernels.items()}

    def around(self, layer):
        """The same masks for another layer, not built."""
        own = {name: value for name, value in self.get_config().items() if name != "layer"}
        return type(self)(layer, **own)

    def compute_output_shape(self, *shapes, **named_shapes):
        return self.layer.compute_output_shape(*shapes, **named_shapes)

    def compute_output_spec(self, *args, **kwargs):
        return self.layer.compute_output_spec(*args, **kwargs)

    def compute_mask(self, inputs, previous_mask=None):
        return self.layer.compute_mask(inputs, previous_mask)

    def get_build_config(self):
        return {"kernels": [kernel.name for kernel in self._masked]}

    def build_from_config(self, config):
        # The description of `layer` has built it. Parts that only a call builds are not there: the call to come adds the scores.
        if self.layer.built and set(config["kernels"]) <= maskable.kernels_of(self.layer).keys():
            self.build()

    def get_config(self):
        return {
            **super().get_config(),
            "rule": self.rule,
            "threshold": None if self.relative_threshold is not None else self.threshold,
            "relative_threshold": self.relative_threshold,
            "density": self.density,
            "rescale": self.rescale,
            "kernels": self.kernels,
            "score_initializer": keras.initializers.serialize(self.score_initializer),
            "sample_seed": self.sample_seed,
            "weight_initializer": self.weight_initializer and keras.initializers.serialize(self.weight_initializer),
        }


def _with_signature(function, other):
    """`function` under the signature of another one."""

    def called(*args, **kwargs):
        return function(*args, **kwargs)

    called.__signature__ = inspect.signature(other)
    return called


def _symbol(x):
    return keras.KerasTensor(x.shape, x.dtype) if hasattr(x, "shape") and hasattr(x, "dtype") else x


def _names(kernels):
    if not isinstance(kernels, (list, tuple)) or not kernels or not all(isinstance(name, str) for name in kernels):
        raise arguments.refused("kernels", "names in a list, such as ['kernel']", kernels)
    return list(kernels)
