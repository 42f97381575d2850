"""What masked layers share: a frozen weight, a trained score, the rule that makes the mask, a bias.

    kernel = weight * mask(score)          weight: frozen, score: the one trained tensor, both of the kernel's shape

The rest of a layer is its Keras counterpart: `plain()` returns that counterpart, which checks the arguments, gives the
output shape and, fed with `effective_kernel`, is the same function without this package.
"""

import contextlib
import contextvars
import math
import numbers

import keras
import numpy as np
from keras import ops

from tf_supermask import graph, initializers, masks

_KERNEL_OF = contextvars.ContextVar("layer -> kernel", default=None)


@contextlib.contextmanager
def kernels_from(kernel_of):
    """Within it, masked layers compute with the kernel `kernel_of(layer)` in place of `weight * mask(score)`."""
    token = _KERNEL_OF.set(kernel_of)
    try:
        yield
    finally:
        _KERNEL_OF.reset(token)


class SignedMask(keras.layers.Layer):
    """What both layers share: weight, score, threshold, bias.

    Args:
        plain: dict, the arguments of the Keras counterpart that this layer passes on.
        rule: name of a mask rule, a key of `masks.RULES`.
        weight_initializer: frozen weight; ELUS signed constant by default.
        score_initializer: trained score; Xavier (Glorot) uniform by default.
        threshold: absolute threshold of the rule, >= 0; by default that of the rule, 0.01 for `signed`. A rule that
            samples has none: it draws one for each weight each time that it is used. Of a built layer with
            `relative_threshold` it is the variable that holds the product.
        relative_threshold: instead of `threshold`, a share p of the largest |score| of this layer right after
            initialization; the product is computed once and saved with the layer. For uniform scores it prunes p of them.
        rescale: multiply the kernel by its size / the number of weights that remain (dynamic weight rescaling of Zhou et
            al. 2019); the gradient flows through the number.
        sample_seed: seed of what `bernoulli` draws.
        use_bias: adds a trained, never masked bias. Off by default, as in Koster et al. 2022.
        kwargs: those of `keras.layers.Layer` (name, dtype, trainable, activity_regularizer...).

    Raises:
        ValueError: for an argument that the layer cannot honour; the message says what was received.
    """

    keras_class = None

    def __init__(
        self,
        plain,
        activation=None,
        use_bias=False,
        bias_initializer="zeros",
        rule="signed",
        weight_initializer=None,
        score_initializer="glorot_uniform",
        threshold=None,
        relative_threshold=None,
        rescale=False,
        sample_seed=None,
        **kwargs,
    ):
        kernel_arguments = sorted(name for name in kwargs if name.startswith("kernel_"))
        if kernel_arguments:
            raise ValueError(
                f"{type(self).__name__} has a frozen weight and a trained score instead of a kernel: use "
                f"`weight_initializer` and `score_initializer`. Received: {', '.join(kernel_arguments)}"
            )
        super().__init__(**kwargs)
        known = masks.rule(rule)
        if threshold is not None and relative_threshold is not None:
            raise ValueError(
                "Give `threshold` or `relative_threshold`, not both. "
                f"Received: threshold={threshold}, relative_threshold={relative_threshold}"
            )
        if known.sampled and (threshold is not None or relative_threshold is not None):
            raise ValueError(f"Rule {rule!r} draws its thresholds. Received: {threshold=}, {relative_threshold=}")
        if threshold is None and relative_threshold is None:
            threshold = known.threshold
        if threshold is not None and not (isinstance(threshold, numbers.Real) and threshold >= 0):
            raise ValueError(f"`threshold` must be a number >= 0. Received: {threshold!r}")
        if relative_threshold is not None and not (
            isinstance(relative_threshold, numbers.Real) and 0 < relative_threshold < 1
        ):
            raise ValueError(f"`relative_threshold` must be a number between 0 and 1. Received: {relative_threshold!r}")
        self.rule = rule
        self.threshold = threshold
        self.relative_threshold = relative_threshold
        self.rescale = rescale
        self.sample_seed = sample_seed
        self.activation = keras.activations.get(activation)
        if isinstance(self.activation, keras.layers.PReLU):
            raise ValueError("`activation` has weights of its own; add it as a layer. Received: PReLU")
        self.use_bias = use_bias
        self.weight_initializer = keras.initializers.get(weight_initializer or initializers.ELUS())
        self.score_initializer = keras.initializers.get(score_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)
        self._plain_config = plain
        checked = self.plain()  # Keras refuses bad arguments here, and makes pairs of single numbers
        self.supports_masking = checked.supports_masking  # of padding: Dense passes it on
        self._plain_config = {name: getattr(checked, name) for name in plain}
        for name, value in self._plain_config.items():
            setattr(self, name, value)

    def plain(self):
        """The Keras counterpart with the same configuration, not built, without weights."""
        return self.keras_class(
            **self._plain_config,
            activation=self.activation,
            use_bias=self.use_bias,
            name=self.name,
            dtype=self.dtype_policy,
            trainable=self.trainable,
            activity_regularizer=self.activity_regularizer,
        )

    def _add_variables(self, kernel_shape):
        # float32 whatever the policy: in half precision the decay of a score below 1e-3 of its value would be lost.
        exact = {"dtype": "float32", "autocast": False}
        self.weight = self.add_weight(
            name="weight", shape=kernel_shape, initializer=self.weight_initializer, trainable=False, **exact
        )
        self.score = self.add_weight(name="score", shape=kernel_shape, initializer=self.score_initializer, **exact)
        if masks.rule(self.rule).sampled:
            self.seed_generator = keras.random.SeedGenerator(self.sample_seed)
        if self.relative_threshold is not None:
            self.threshold = self.add_weight(
                name="threshold",
                shape=(),
                initializer=lambda shape, dtype: self.relative_threshold * ops.max(ops.abs(self.score)),
                trainable=False,
                **exact,
            )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(name="bias", shape=kernel_shape[-1:], initializer=self.bias_initializer)

    def _mask(self):
        rule, threshold = masks.rule(self.rule), self.threshold
        if rule.sampled:
            threshold = keras.random.uniform(self.score.shape, dtype="float32", seed=self.seed_generator)
        return rule(self.score, threshold)

    def draw_kernel(self):
        """weight * mask(score), as a call of the layer takes it: where the rule samples, a new sample each time."""
        mask = self._mask()
        kernel = self.weight * mask
        if self.rescale:
            # |mask| of masks that are 0 or 1 is the mask: the derivative of the absolute value is 0 at 0
            left = ops.sum(ops.abs(mask) if masks.rule(self.rule).signed else mask)
            kernel = kernel * (math.prod(mask.shape) / ops.maximum(left, 1))
        return kernel

    @property
    def effective_kernel(self):
        """weight * mask(score): float32 tensor of the kernel's shape. Where the rule samples, that of the next use, which stays
        the next one. Raises ValueError before the layer is built."""
        return self._looked(self.draw_kernel)

    @property
    def mask(self):
        """The mask: int8 numpy array of the kernel's shape, values -1, 0, +1. Where the rule samples, that of the next use, which
        stays the next one. Raises ValueError before the layer is built."""
        return np.asarray(self._looked(self._mask), np.int8)

    def _looked(self, function):
        if not self.built:
            raise ValueError(f"{self.name} is not built, and has no mask yet: call it, or build(input_shape)")
        if not masks.rule(self.rule).sampled:
            return function()
        with keras.StatelessScope():  # forgets that the generator went on
            return function()

    def _kernel(self):
        kernel_of = _KERNEL_OF.get()
        return ops.cast(kernel_of(self) if kernel_of else self.draw_kernel(), self.compute_dtype)

    def _finish(self, outputs):
        return self.activation(outputs if self.bias is None else outputs + self.bias)

    @graph.same_randomness()
    def compute_output_shape(self, input_shape):
        return self.plain().compute_output_shape(input_shape)

    def get_config(self):
        serialize = keras.initializers.serialize
        return {
            **super().get_config(),
            **self._plain_config,
            "activation": keras.activations.serialize(self.activation),
            "use_bias": self.use_bias,
            "bias_initializer": serialize(self.bias_initializer),
            "rule": self.rule,
            "weight_initializer": serialize(self.weight_initializer),
            "score_initializer": serialize(self.score_initializer),
            "threshold": None if self.relative_threshold is not None else self.threshold,
            "relative_threshold": self.relative_threshold,
            "rescale": self.rescale,
            "sample_seed": self.sample_seed,
        }
