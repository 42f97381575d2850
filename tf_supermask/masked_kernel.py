"""One kernel of a masked layer: `weight * mask(score)`, drawn for a call or read without effect."""

import contextlib
import contextvars
import dataclasses
import math

import keras
import numpy as np
from keras import ops

from tf_supermask import masks

_KERNEL_OF = contextvars.ContextVar("MaskedKernel -> kernel", default=None)


@contextlib.contextmanager
def kernels_from(kernel_of):
    """Inside this context masked layers use the kernel `kernel_of(MaskedKernel)` in place of `weight * mask(score)`."""
    token = _KERNEL_OF.set(kernel_of)
    try:
        yield
    finally:
        _KERNEL_OF.reset(token)


@dataclasses.dataclass(frozen=True)
class MaskedKernel:
    """A kernel of a built layer that has `rule`, `density`, `rescale` and, where the rule samples, `seed_generator`."""

    layer: keras.layers.Layer
    name: str  # of the kernel within its layer
    weight: keras.Variable  # frozen; a constraint of this variable acts on weight * mask(score)
    score: keras.Variable  # float32, of the weight's shape
    threshold: float | keras.Variable | None  # None: drawn at each use

    @property
    def rule(self):
        return masks.rule(self.layer.rule)

    def draw_mask(self):
        """The mask, as a call of the layer uses it. A rule that samples draws a new one each time."""
        threshold = self.threshold
        if self.layer.density is not None:
            threshold = masks.density_threshold(self.score, self.layer.density, self.rule.signed)
        if self.rule.sampled:
            threshold = keras.random.uniform(self.score.shape, dtype="float32", seed=self.layer.seed_generator)
        return self.rule(self.score, threshold)

    def draw(self):
        """weight * mask(score), as a call of the layer uses it."""
        mask = self.draw_mask()
        kernel = self.weight * mask
        if self.layer.rescale:
            # A mask of 0 and 1 is its own |mask|: the derivative of the absolute value would be 0 at 0.
            remaining = ops.sum(ops.abs(mask) if self.rule.signed else mask)
            kernel = kernel * (math.prod(mask.shape) / ops.maximum(remaining, 1))
        return kernel if self.weight.constraint is None else self.weight.constraint(kernel)

    def value(self):
        """The kernel that a call of the layer uses: `draw()`, or what `kernels_from` says."""
        kernel_of = _KERNEL_OF.get()
        return kernel_of(self) if kernel_of else self.draw()

    def mask(self):
        """The mask in units of its levels: int8 numpy array. If the rule samples, the mask of the next call, which reading does
        not change."""
        return np.rint(self.rule.levels * ops.convert_to_numpy(self._without_effect(self.draw_mask))).astype(np.int8)

    def array(self):
        """weight * mask(score): tensor. If the rule samples, the kernel of the next call, which reading does not change."""
        return self._without_effect(self.draw)

    def _without_effect(self, function):
        """`function()`, after which the random generator is where it was."""
        if not self.rule.sampled:
            return function()
        with keras.StatelessScope():  # discards the update of the generator
            return function()
