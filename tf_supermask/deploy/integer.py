"""A network in integer arithmetic: activations int8, sums int32, one multiplication and a shift for each output.

    float value       q * scale, with one scale for all that a stage puts out, chosen after calibration images
    stage             sum = codes applied to q, plus bias;  q = round(sum * multiplier / 2**shift), within int8
    below zero        q = table[(-1 - q) >> coarse], beyond the end of the table its last entry: ELU, and ReLU as a table of one 0

What is here in NumPy is what the C of `c_source.py` computes, bit for bit.
"""

import dataclasses
import math

import keras
import numpy as np

from tf_supermask.deploy.stages import Stage
from tf_supermask.errors import InputError

LARGEST, LOWEST = 127, -128
_WIDEST = 2**16 - 1  # a multiplier has 16 bits
_MOST_ENTRIES = 255  # of a table
_BATCH = 250


@dataclasses.dataclass(frozen=True)
class Multiplier:
    """`values / 2**shift`, one for all units or one for each; products are rounded to the nearest, halves up."""

    values: np.ndarray  # int64
    shift: int

    @classmethod
    def of(cls, ratios, bounds, name):
        """The most exact one for `ratios`, of sums that are not larger than `bounds`: no product leaves 32 bits. Raises
        InputError, with the name of the layer, where there is none."""
        ratios, bounds = np.atleast_1d(ratios), np.atleast_1d(bounds)
        if np.ptp(ratios) == 0:
            ratios, bounds = ratios[:1], bounds.max(keepdims=True)
        for shift in range(31, 0, -1):
            values = np.maximum(np.rint(ratios * 2.0**shift), 1)
            half = 2.0 ** (shift - 1) + values  # of the rounding, and of that of a bias
            if values.max() <= _WIDEST and (values * bounds + half).max() < 2.0**31:
                return cls(values.astype(np.int64), shift)
        raise InputError(f"{name} has sums of up to {bounds.max():.3g}, which leave 32 bits; use the arithmetic float")

    def __call__(self, sums):
        """int64 of int64 `sums`, whose last axis is units."""
        half = 2**31 + 2 ** (self.shift - 1)  # C shifts numbers without a sign
        return ((sums * self.values + half) >> self.shift) - (half >> self.shift)


UNCHANGED = Multiplier(np.array([2]), 1)


@dataclasses.dataclass
class IntegerStage:
    """A Stage in integers. `bound`: no sum is larger. `raw`: values are not brought into int8. `table`, `coarse`: for values
    below zero; None where they stay. `average`: the Multiplier of the sum of a full window."""

    stage: Stage
    bias: np.ndarray
    bound: int
    multiplier: Multiplier
    raw: bool = False
    table: np.ndarray | None = None
    coarse: int = 0
    average: Multiplier = UNCHANGED

    def __call__(self, x):
        """int64 `(n, *shape of the input)` to `(n, height, width, units)`, or `(n, units)`."""
        sums = applied(self.stage, x.reshape(len(x), *self.stage.shape)) + self.bias
        if self.stage.pool == "max":
            sums = _windows(sums, self.stage.pooling, -(2**40)).max(axis=(-2, -1))
        values = self._active(self.multiplier(sums))
        if self.stage.pool != "average":
            return values
        values = self.average(_totals(values, self.stage.pooling))
        return values if self.raw else np.clip(values, LOWEST, LARGEST)

    def _active(self, values):
        if self.raw and self.stage.pool != "average":
            return values
        if self.table is None:
            return np.clip(values, LOWEST, LARGEST)
        below = self.table[np.clip((-1 - values) >> self.coarse, 0, len(self.table) - 1)]
        return np.where(values < 0, below, np.minimum(values, LARGEST))


@dataclasses.dataclass
class IntegerNetwork:
    """Integers from the image to the logits: `image = input * input_scale`, `logit = output * output_scale`."""

    stages: list
    input_scale: float
    output_scale: float

    def quantized(self, images):
        """int8 of preprocessed images; what lies beyond the calibration images is cut off."""
        scaled = np.asarray(images, np.float32) / np.float32(self.input_scale)
        return np.clip(np.trunc(scaled + np.copysign(np.float32(0.5), scaled)), LOWEST, LARGEST).astype(np.int8)

    def logits(self, inputs):
        """int32 `(n, classes)` of int8 `inputs`, as C computes them."""
        parts = []
        for start in range(0, len(inputs), _BATCH):
            x = inputs[start : start + _BATCH].astype(np.int64)
            for stage in self.stages:
                x = stage(x)
            parts.append(x.reshape(len(x), -1).astype(np.int32))
        return np.concatenate(parts)


# ---------------------------------------------------------------------------------------------------------------------
# Sums


def _windows(x, windows, fill=0):
    """`(n, rows, columns, channels, height, width)`: what each Window sees of `(n, rows, columns, channels)`, `fill` beyond."""
    after = [
        max(0, (its.outputs - 1) * its.step + its.size - its.before - length)
        for its, length in zip(windows, x.shape[1:3], strict=True)
    ]
    pads = [(its.before, end) for its, end in zip(windows, after, strict=True)]
    padded = np.pad(x, [(0, 0), *pads, (0, 0)], constant_values=fill)
    seen = np.lib.stride_tricks.sliding_window_view(padded, [its.size for its in windows], axis=(1, 2))
    down, across = windows
    return seen[:, :: down.step, :: across.step][:, : down.outputs, : across.outputs]


def applied(stage, x):
    """The sums of a stage: its codes applied to int64 `x`. float64 holds them exactly."""
    if stage.kind == "copy":
        return x
    x = x.astype(np.float64)
    if stage.kind == "dense":
        return (x @ stage.codes.astype(np.float64)).astype(np.int64)
    kernel = stage.codes.transpose(2, 0, 1, 3).astype(np.float64)
    return np.tensordot(_windows(x, stage.conv), kernel, 3).astype(np.int64)


def _totals(x, windows):
    """The sum of each window; of one that reaches beyond the border, as if it were full."""
    full, inside = math.prod(its.size for its in windows), _windows(np.ones_like(x[:1]), windows).sum(axis=(-2, -1))
    totals = _windows(x, windows).sum(axis=(-2, -1))
    return np.sign(totals) * (np.abs(totals) * full // inside)  # C cuts off what is behind the point


# ---------------------------------------------------------------------------------------------------------------------
# Choice of scales


def quantize(model, stages, images):
    """The IntegerNetwork of the Stages of a plain Keras model; scales are chosen after `images`, preprocessed.

    Raises InputError for images of another shape, and where sums leave 32 bits.
    """
    images = np.asarray(images, np.float32)
    if images.ndim < 2 or images.shape[1:] != tuple(model.inputs[0].shape[1:]) or not np.isfinite(images).all():
        raise InputError(
            f"calibration images have the shape {images.shape}, or are not finite; "
            f"{model.name} takes (n, {', '.join(map(str, model.inputs[0].shape[1:]))})"
        )
    scale = input_scale = _scale(np.abs(images).max(initial=0), 1.0)
    largest, made = _largest(model, stages, images), []
    for stage, (inner, outer) in zip(stages, largest, strict=True):
        finest = scale * stage.factor.max()  # where all that the images led to is 0
        its, scale = _quantized(stage, scale, _scale(inner, finest), _scale(outer, finest), stage is stages[-1])
        made.append(its)
    return IntegerNetwork(made, input_scale, scale)


def _scale(largest, otherwise):
    """The scale of int8 for values up to `largest`, a float32; `otherwise` where that is 0."""
    return float(np.float32(largest / LARGEST)) or otherwise


def _largest(model, stages, images):
    """Of each stage, the largest absolute values of its tensors over the images."""
    tensors = [tensor for stage in stages for tensor in stage.tensors]
    inner = keras.Model(model.inputs[0], tensors)
    largest = np.zeros(len(tensors))
    for start in range(0, len(images), _BATCH):
        seen = inner(images[start : start + _BATCH], training=False)
        seen = seen if isinstance(seen, (list, tuple)) else [seen]
        largest = np.maximum(largest, [np.abs(np.asarray(its)).max() for its in seen])
    return largest.reshape(-1, 2)


def _quantized(stage, scale, inner, outer, last):
    """`(IntegerStage, scale of what it puts out)`: `scale` is that of its input, `inner` and `outer` those of its tensors."""
    average, raw = stage.pool == "average", last and (stage.alpha is None or stage.pool == "average")
    target = inner if average else outer
    if stage.kind == "copy":
        target = scale
    elif raw and not average:
        target = scale * stage.factor.max()
    table, coarse = (None, 0) if stage.alpha is None else _table(stage.alpha, target)
    furthest = np.inf if raw else -LOWEST if table is None else max(-LOWEST, len(table) << coarse)
    codes, ratios, bias, bounds = _in_units(stage, scale, target, furthest)
    multiplier = Multiplier.of(ratios, bounds, stage.name)
    bias = np.rint(bias * 2.0**multiplier.shift / multiplier.values).astype(np.int64)
    if (multiplier.values == 2**multiplier.shift).all():
        multiplier = UNCHANGED
    weights = 1 if codes is None else (codes != 0).reshape(-1, stage.units).sum(axis=0)
    bound = int((-LOWEST * weights + np.abs(bias)).max())
    made = IntegerStage(dataclasses.replace(stage, codes=codes), bias, bound, multiplier, raw, table, coarse)
    if not average:
        return made, target
    full = math.prod(its.size for its in stage.pooling)
    if not raw:
        made.average = Multiplier.of(target / full / outer, -LOWEST * full, stage.name)
    return made, target / full if raw else outer


def _in_units(stage, scale, target, furthest):
    """`(codes, ratios, bias, bounds)` for outputs in units of `target`: of a weight's step, of the bias, and the largest sums.

    Weights that change no output, taken together, are dropped. A bias is cut off where outputs are beyond `furthest` anyway.
    """
    codes, ratios, weights = stage.codes, scale * stage.factor / target, np.ones(stage.units)
    if codes is not None:
        weights = (codes != 0).reshape(-1, stage.units).sum(axis=0)
        seen = -LOWEST * weights * ratios > 1 / 4
        codes, weights = np.where(seen, codes, 0).astype(np.int8), np.where(seen, weights, 0)
        ratios = np.where(seen, ratios, ratios[seen].max(initial=0) or 2.0**-8)
    reach = -LOWEST * weights * ratios
    bias = np.clip(stage.bias / target, -reach - furthest, reach + furthest)
    return codes, ratios, bias, (reach + np.abs(bias)) / ratios


def _table(alpha, scale):
    """`(int8 table, coarse)`: ELU at -scale, -2 * scale..., in units of `scale`, until it stays the same. One entry stands for
    2**coarse neighbours, so that there are at most 255."""
    end = 1
    if alpha > scale / 2:  # from here on it rounds to -alpha, or is below the lowest
        lowest = min(1 - scale / (2 * alpha), (1 - LOWEST) * scale / alpha)
        end = math.ceil(-math.log1p(-lowest) / scale)
    coarse = max(0, math.ceil(math.log2(end / _MOST_ENTRIES)))
    middles = 1 + (np.arange(-(-end // 2**coarse)) * 2**coarse) + (2**coarse - 1) / 2
    exact = alpha * np.expm1(-scale * middles) / scale
    return np.clip(np.rint(exact), LOWEST, 0).astype(np.int8), coarse
