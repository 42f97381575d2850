"""One kernel of a masked layer: `weight * mask(score)`, drawn for a call or read without effect."""

import contextlib
import contextvars
import dataclasses
import functools
import math

import keras
import numpy as np
from keras import ops

from tf_supermask import initializers, latent, masks
from tf_supermask.density import density_threshold

_GENERATOR = "seed_generator"  # key in files
_KERNEL_OF = contextvars.ContextVar("MaskedKernel -> kernel", default=None)


@contextlib.contextmanager
def kernels_from(kernel_of):
    """Inside this context masked layers use the kernel `kernel_of(MaskedKernel)` in place of `weight * mask(score)`."""
    token = _KERNEL_OF.set(kernel_of)
    try:
        yield
    finally:
        _KERNEL_OF.reset(token)


class SavesDraws:
    """For a layer that may have a `seed_generator`: its state is saved with the weights, so that the next mask that is drawn is
    the one that would have come next. Keras saves no states of generators."""

    def save_own_variables(self, store):
        super().save_own_variables(store)
        if hasattr(self, "seed_generator"):
            store[_GENERATOR] = self.seed_generator.state

    def load_own_variables(self, store):
        names = set(store.keys())
        super().load_own_variables({name: store[name] for name in names - {_GENERATOR}})
        if _GENERATOR in names and hasattr(self, "seed_generator"):  # older files have none
            self.seed_generator.state.assign(store[_GENERATOR])


@dataclasses.dataclass(frozen=True)
class MaskedKernel:
    """A kernel of a built layer that has `rule`, `density`, `rescale` and, where the rule samples, `seed_generator`."""

    layer: keras.layers.Layer
    name: str  # of the kernel within its layer
    weight: keras.Variable  # a constraint of this variable acts on weight * mask(score) where it is frozen
    score: keras.Variable  # of the weight's shape; its type is that of `exact_as`
    threshold: float | keras.Variable | None  # None: drawn at each use
    scales: keras.Variable | None = None  # of a rule that trains two

    @property
    def rule(self):
        return masks.rule(self.layer.rule)

    @property
    def trained(self):
        """The variable that training changes: the score, or the weight under a mask that is given."""
        return self.weight if self.rule.given else self.score

    @property
    def frozen(self):
        """The other one."""
        return self.score if self.rule.given else self.weight

    @property
    def start(self):
        """The variable that starts as the kernel of a plain layer does: the weight, or the score where it is a latent weight."""
        return self.score if self.rule.latent else self.weight

    def start_from(self, kernel):
        """Starts from the values of a plain kernel."""
        self.start.assign(ops.cast(kernel, self.start.dtype))
        if self.rule.latent:
            self.weight.assign(ops.full(self.weight.shape, self.rule.latent(self.weight.shape), self.weight.dtype))

    def draw_mask(self):
        """The mask, as a call of the layer uses it. A rule that samples draws a new one each time."""
        threshold, score, size = self.threshold, self.score, 1.0
        if self.layer.density is not None:
            threshold = density_threshold(self.rule.compared(score), self.layer.density)
        if self.rule.sampled:
            threshold = keras.random.uniform(score.shape, dtype="float32", seed=self.layer.seed_generator)
        if self.rule.latent:
            size = self.rule.latent(score.shape)
        return self.rule(score if size == 1 else score / size, threshold)

    def draw(self):
        """weight * mask(score), as a call of the layer uses it."""
        mask = self.draw_mask()
        weight = ops.cast(self.weight, mask.dtype)  # that of the score: the weight can be of half precision
        kernel = self.rule.kernel(weight, self.score, mask, self.scales) if self.rule.kernel else weight * mask
        if self.layer.rescale:
            # A mask of 0 and 1 is its own |mask|: the derivative of the absolute value would be 0 at 0.
            remaining = ops.sum(ops.abs(mask) if self.rule.signed else mask)
            kernel = kernel * (math.prod(mask.shape) / ops.maximum(remaining, 1))
        # That of a trained weight has acted on it.
        return kernel if self.weight.constraint is None or self.rule.given else self.weight.constraint(kernel)

    def value(self):
        """The kernel that a call of the layer uses: `draw()`, or what `kernels_from` says."""
        kernel_of = _KERNEL_OF.get()
        return kernel_of(self) if kernel_of else self.draw()

    def mask(self):
        """The mask in units of its levels: int8 numpy array. If the rule samples, the mask of the next call, which reading does
        not change."""
        mask = self.rule.levels * ops.convert_to_numpy(self._without_effect(self.draw_mask))
        levels = np.rint(mask)
        if not np.allclose(mask, levels, rtol=0, atol=1e-3) or np.abs(levels).max(initial=0) > self.rule.levels:
            raise ValueError(
                f"the mask rule {self.layer.rule!r} gives masks that are no multiples of 1 / {self.rule.levels} from -1 to 1; "
                "register it with their `levels`"
            )
        return levels.astype(np.int8)

    def array(self):
        """weight * mask(score): tensor. If the rule samples, the kernel of the next call, which reading does not change."""
        return self._without_effect(self.draw)

    def _without_effect(self, function):
        """`function()`, after which the random generator is where it was."""
        if not self.rule.sampled:
            return function()
        with keras.StatelessScope():  # discards the update of the generator
            return function()


def same_everywhere(initializer):
    """An initializer that draws from its seed the same numbers on every backend."""
    return functools.partial(initializers.drawn, keras.initializers.get(initializer))


def exact_as(dtype):
    """Arguments of the variables of scores beside weights of `dtype`. They have at least float32: half precision would lose the
    decay of a score by less than a thousandth."""
    return {"dtype": "float64" if dtype == "float64" else "float32", "autocast": False}


def add_score(layer, name, shape, initializer, **exact):
    """The variable of the scores: trained, but for masks that are given, which start with all weights kept."""
    rule = masks.rule(layer.rule)
    return layer.add_weight(
        name=name,
        shape=shape,
        initializer=same_everywhere("ones" if rule.given else initializer),
        trainable=not rule.given,
        constraint=latent.Within(rule.latent(shape)) if rule.clipped else None,
        **exact,
    )


def add_scales(layer, name, **exact):
    """The variable of two trained scales, >= 0, for a rule that has some; else None.

    Deviation: in TTQ as published nothing keeps a scale from getting negative.
    """
    if not masks.rule(layer.rule).scales:
        return None
    return layer.add_weight(
        name=name, shape=(2,), initializer="ones", constraint=keras.constraints.NonNeg(), **exact
    )
