"""SignedMask, the base class of masked layers: a frozen weight, a trained score, and the rule that makes the mask.

    kernel = weight * mask(score)          weight: frozen, score: trained, both of the kernel's shape

All else is that of the Keras counterpart, a Dense or Conv2D layer: `plain()` returns one, which checks the arguments, gives the
output shape and, with `effective_kernel` for its kernel, computes the same function without this package.
"""

import keras
from keras import ops

from tf_supermask import arguments, graph, initializers, masks, thresholds
from tf_supermask.masked_kernel import MaskedKernel, SavesDraws, add_scales, add_score, exact_as, same_everywhere


class SignedMask(SavesDraws, keras.layers.Layer):
    """Base class of masked layers: weight, score, threshold, bias.

    Args:
        plain: dict, the arguments of the Keras counterpart: sizes, activation, and `use_bias`, `bias_initializer`,
            `bias_regularizer`, `bias_constraint` of a trained bias, which is never masked. `use_bias` is False by default, as in
            Koster et al. 2022.
        rule: name of a mask rule, a key of `masks.RULES`. The scores of `twn`, `ttq` and `binaryconnect` are latent weights;
            `sparse` trains weights under masks that the callback `MaskUpdates` sets.
        weight_initializer: initializer of the frozen weight, and of latent and trained weights; ELUS signed constant by default.
        score_initializer: initializer of the trained score; Xavier (Glorot) uniform by default.
        threshold: absolute threshold of the rule, >= 0; by default that of the rule, 0.01 for `signed`. A rule that samples has
            none: it draws one for each weight at each use. In a built layer with `relative_threshold` this attribute is the
            variable that holds the product.
        relative_threshold: in place of `threshold`, a share p of the largest |score| of this layer right after
            initialization. The product is computed once and saved with the layer. It prunes a share p of uniform scores.
        density: in place of `threshold`, the share of weights that remain in this layer, set at each use: those of the largest
            scores, of the largest |score| for `edge_popup`, `mpt` and signed rules (top-k). The number of the others is rounded
            down.
        rescale: multiply the kernel by its size / the number of remaining weights (dynamic weight rescaling of Zhou et al.
            2019). The gradient flows through this number.
        sample_seed: seed of the thresholds that a rule that samples draws.
        kwargs: arguments of `keras.layers.Layer` (name, dtype, trainable, activity_regularizer...).

    Raises:
        ValueError: for an argument that the layer does not support; the message says what was received.
    """

    keras_class = None

    def __init__(
        self,
        plain,
        rule,
        weight_initializer,
        score_initializer,
        threshold,
        relative_threshold,
        rescale,
        sample_seed,
        density=None,
        **kwargs,
    ):
        _refuse_kernel_arguments(type(self).__name__, kwargs)
        super().__init__(**kwargs)
        self.threshold = thresholds.threshold_of(rule, threshold, relative_threshold, density)
        self.rule = rule
        self.relative_threshold = relative_threshold
        self.density = density
        self.rescale = arguments.switch("rescale", rescale)
        self.sample_seed = arguments.integer("sample_seed", sample_seed, low=0, optional=True)
        self.weight_initializer = keras.initializers.get(weight_initializer or initializers.ELUS())
        self.score_initializer = initializers.needed("score_initializer", score_initializer)
        plain = plain | {"use_bias": arguments.switch("use_bias", plain["use_bias"])}  # of which Keras takes any value
        checked = self._counterpart(plain)  # Keras checks the other arguments, and makes pairs of single numbers
        if isinstance(checked.activation, keras.layers.PReLU):
            raise ValueError("`activation` has weights of its own; add it as a layer. Received: PReLU")
        self.supports_masking = checked.supports_masking  # masks of time steps: Dense passes them on
        self._plain_arguments = tuple(plain)
        for name in plain:
            setattr(self, name, getattr(checked, name))

    def plain(self):
        """The Keras counterpart with the same configuration, not built, without weights."""
        return self._counterpart({name: getattr(self, name) for name in self._plain_arguments})

    def _counterpart(self, arguments):
        return self.keras_class(
            **arguments,
            name=self.name,
            dtype=self.dtype_policy,
            trainable=self.trainable,
            activity_regularizer=self.activity_regularizer,
        )

    def _add_variables(self, kernel_shape):
        exact = exact_as(self.variable_dtype)
        rule, weight, score = masks.rule(self.rule), self.weight_initializer, self.score_initializer
        if rule.latent:
            weight, score = keras.initializers.Constant(rule.latent(kernel_shape)), weight
        self.weight = self.add_weight(
            name="weight", shape=kernel_shape, initializer=same_everywhere(weight), trainable=rule.given, **exact
        )
        self.score = add_score(self, "score", kernel_shape, score, **exact)
        if rule.sampled:
            self.seed_generator = keras.random.SeedGenerator(self.sample_seed)
        if self.relative_threshold is not None:
            self.threshold = self.add_weight(
                name="threshold",
                shape=(),
                initializer=lambda shape, dtype: self.relative_threshold * ops.max(ops.abs(self.score)),
                trainable=False,
                **exact,
            )
        self.scales = add_scales(self, "scales", **exact)
        self.bias = self._add_bias(kernel_shape[-1:]) if self.use_bias else None

    def _add_bias(self, shape):
        return self.add_weight(
            name="bias",
            shape=shape,
            initializer=self.bias_initializer,
            regularizer=self.bias_regularizer,
            constraint=self.bias_constraint,
        )

    @property
    def masked_kernels(self):
        """`{"kernel": MaskedKernel}`. Raises ValueError before the layer is built."""
        if not self.built:
            raise ValueError(f"{self.name} is not built, and has no mask yet: call it, or build(input_shape)")
        return {"kernel": self._kernel}

    @property
    def _kernel(self):
        return MaskedKernel(self, "kernel", self.weight, self.score, self.threshold, self.scales)

    def draw_kernel(self):
        """weight * mask(score), as a call of the layer uses it. A rule that samples draws a new sample each time."""
        return self._kernel.draw()

    @property
    def effective_kernel(self):
        """weight * mask(score): tensor of the kernel's shape and type, float32 or float64. If the rule samples, the kernel of the
        next call, which reading does not change. Raises ValueError before the layer is built."""
        return self.masked_kernels["kernel"].array()

    @property
    def mask(self):
        """The mask: int8 numpy array of the kernel's shape, values -1, 0, +1; of a rule with levels, the signed level. If the
        rule samples, the mask of the next call, which reading does not change. Raises ValueError before the layer is built.
        """
        return self.masked_kernels["kernel"].mask()

    def _kernel_of_call(self):
        return ops.cast(self._kernel.value(), self.compute_dtype)

    def _finish(self, outputs):
        # `ops.add`, as Keras' layers: of `+` TensorFlow makes no operation that it can fuse with the product
        return self.activation(outputs if self.bias is None else ops.add(outputs, self.bias))

    @graph.same_randomness()
    def compute_output_shape(self, input_shape):
        return self.plain().compute_output_shape(input_shape)

    @graph.same_randomness()
    def get_config(self):
        plain = self.plain().get_config()
        return {
            **super().get_config(),
            **{name: plain[name] for name in self._plain_arguments},
            "rule": self.rule,
            "weight_initializer": keras.initializers.serialize(self.weight_initializer),
            "score_initializer": keras.initializers.serialize(self.score_initializer),
            "threshold": None if self.relative_threshold is not None else self.threshold,
            "relative_threshold": self.relative_threshold,
            "density": self.density,
            "rescale": self.rescale,
            "sample_seed": self.sample_seed,
        }


def _refuse_kernel_arguments(name, arguments):
    received = sorted(argument for argument in arguments if argument.startswith("kernel_"))
    if received:
        raise ValueError(
            f"{name} has a frozen weight and a trained score instead of a kernel: use "
            f"`weight_initializer` and `score_initializer`. Received: {', '.join(received)}"
        )
