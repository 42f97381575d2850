"""A network in integer arithmetic: activations int8, sums int32, one multiplication and a shift for each output.

    float value       q * scale, with one scale for all outputs of a stage, chosen with calibration images
    stage             sum = codes applied to q, plus bias;  q = round(sum * multiplier / 2**shift), clipped to int8
    q < 0             q = table[(-1 - q) >> coarse], the last entry beyond the end of the table: ELU, and ReLU as a table of one 0

The code of `c_source.py` computes the same as this NumPy, bit for bit.
"""

import dataclasses
import math

import keras
import numpy as np

from tf_supermask.deploy import calibration
from tf_supermask.deploy.stages import Stage
from tf_supermask.errors import InputError

LARGEST, LOWEST = 127, -128
_WIDEST = 2**16 - 1  # a multiplier has 16 bits
_MOST_ENTRIES = 255  # of a table
_BATCH = 250


@dataclasses.dataclass(frozen=True)
class Multiplier:
    """`values / 2**shift`, one for all units or one per unit. Products are rounded to nearest, halves up."""

    values: np.ndarray  # int64
    shift: int

    @classmethod
    def of(cls, ratios, sums, bias, name):
        """The most exact Multiplier for `ratios` whose products fit in 32 bits, for sums of at most `sums` and a `bias` in steps
        of the outputs. Raises InputError, with the name of the layer, if there is none."""
        ratios = np.atleast_1d(ratios)
        ratios = ratios if np.ptp(ratios) else ratios[:1]
        for shift in range(31, 0, -1):
            values = np.maximum(np.rint(ratios * 2.0**shift), 1)
            half = 2.0 ** (shift - 1) + values  # for rounding the product, and for rounding the bias
            if values.max() <= _WIDEST and (values * sums + np.abs(bias) * 2.0**shift + half).max() < 2.0**31:
                return cls(values.astype(np.int64), shift)
        largest = np.max(sums + np.abs(bias) / ratios)
        raise InputError(f"{name} has sums of up to {largest:.3g}, which leave 32 bits; use the arithmetic float")

    def __call__(self, sums):
        """Scales int64 `sums`, whose last axis is units."""
        half = 2**31 + 2 ** (self.shift - 1)  # the C code shifts unsigned numbers
        return ((sums * self.values + half) >> self.shift) - (half >> self.shift)


UNCHANGED = Multiplier(np.array([2]), 1)


@dataclasses.dataclass
class IntegerStage:
    """A Stage in integers. `bound`: upper bound of all sums. `raw`: outputs are not clipped to int8. `table`, `coarse`: for
    values below 0, None without activation. `average`: the Multiplier for the sum of a full window."""

    stage: Stage
    bias: np.ndarray
    bound: int
    multiplier: Multiplier
    raw: bool = False
    table: np.ndarray | None = None
    coarse: int = 0
    average: Multiplier = UNCHANGED

    def __call__(self, x):
        """int64 `(n, *shape of the input)` -> int64 `(n, height, width, units)` or `(n, units)`."""
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
        """Preprocessed images as int8; values beyond those of the calibration images are clipped."""
        scaled = np.asarray(images, np.float32) / np.float32(self.input_scale)
        return np.clip(np.trunc(scaled + np.copysign(np.float32(0.5), scaled)), LOWEST, LARGEST).astype(np.int8)

    def logits(self, inputs):
        """int32 logits `(n, classes)` of int8 `inputs`, as C computes them."""
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
    """Patches `(n, rows, columns, channels, height, width)` under the Windows of both axes of `(n, rows, columns, channels)`,
    padded with `fill`."""
    pads = [window.padding(length) for window, length in zip(windows, x.shape[1:3], strict=True)]
    padded = np.pad(x, [(0, 0), *pads, (0, 0)], constant_values=fill)
    patches = np.lib.stride_tricks.sliding_window_view(padded, [window.size for window in windows], axis=(1, 2))
    down, across = windows
    return patches[:, :: down.step, :: across.step][:, : down.outputs, : across.outputs]


def applied(stage, x):
    """The sums of a stage: its codes applied to int64 `x`, computed in float64, which is exact for them."""
    if stage.kind == "copy":
        return x
    x = x.astype(np.float64)
    if stage.kind == "dense":
        return (x @ stage.codes.astype(np.float64)).astype(np.int64)
    kernel = stage.codes.transpose(2, 0, 1, 3).astype(np.float64)
    return np.tensordot(_windows(x, stage.conv), kernel, 3).astype(np.int64)


def _totals(x, windows):
    """The sum of each window, scaled to a full window if part of it is padding."""
    full, inside = math.prod(window.size for window in windows), _windows(np.ones_like(x[:1]), windows).sum(
        axis=(-2, -1)
    )
    totals = _windows(x, windows).sum(axis=(-2, -1))
    return np.sign(totals) * (np.abs(totals) * full // inside)  # division in C rounds toward 0


# ---------------------------------------------------------------------------------------------------------------------
# Choice of scales


def quantize(model, stages, images):
    """The IntegerNetwork of the Stages of a plain Keras model. Preprocessed `images` calibrate its scales.

    Raises InputError for images of another shape, all 0 or not finite, and if sums do not fit in 32 bits.
    """
    images = calibration.checked(images, model)
    scale = input_scale = _scale(np.abs(images).max())
    largest, made = _largest(model, stages, images), []
    for stage, ranges in zip(stages, largest, strict=True):
        integer_stage, scale = _quantized(stage, scale, *ranges, stage is stages[-1])
        made.append(integer_stage)
    return IntegerNetwork(made, input_scale, scale)


def _scale(largest):
    """The scale of int8 for values up to `largest`, rounded to float32."""
    return max(float(np.float32(largest / LARGEST)), float(np.finfo(np.float32).tiny))


def _least(stage, scale):
    """The least range of outputs that sums can show: what a sum of 1 adds. Outputs below it are 0 on the calibration images, or
    what rounding left of 0. It is also large enough for products of the largest sums to fit in 32 bits."""
    weights = _weights(stage.codes)
    steps = scale * np.where(weights, stage.factor, 0)
    return max(steps.max(), LARGEST * (-LOWEST * weights * steps).max() / 2**28)


def _weights(codes):
    """The number of codes of each unit that are not 0; 1 for a stage that copies."""
    return 1 if codes is None else np.count_nonzero(codes.reshape(-1, codes.shape[-1]), axis=0)


def _largest(model, stages, images):
    """For each stage, the largest absolute values of its two tensors over the images."""
    tensors = [tensor for stage in stages for tensor in stage.tensors]
    inner = keras.Model(model.inputs[0], tensors)
    largest = np.zeros(len(tensors))
    for start in range(0, len(images), _BATCH):
        values = keras.tree.flatten(inner(images[start : start + _BATCH], training=False))
        largest = np.maximum(largest, [np.abs(np.asarray(value)).max() for value in values])
    return largest.reshape(-1, 2)


def _quantized(stage, scale, inner, outer, last):
    """`(IntegerStage, scale of its outputs)`. `scale`: of its inputs. `inner`, `outer`: the largest values of its two tensors."""
    average, raw = stage.pool == "average", last and (stage.alpha is None or stage.pool == "average")
    reached = inner if average else outer
    target = _scale(max(reached, _least(stage, scale)))
    if stage.kind == "copy":  # keeps its scale, but where ELU goes further below 0 than its input does
        target = max(scale, _scale(reached))
    elif raw and not average:
        # Behind kernels that are all 0 the scale is tiny, and a bias would leave 32 bits.
        target = max(scale * stage.factor.max(), np.abs(stage.bias).max() / 2**20)
    table, coarse = (None, 0) if stage.alpha is None else _table(stage.alpha, target)
    furthest = np.inf if raw else -LOWEST if table is None else max(-LOWEST, len(table) << coarse)
    codes, ratios, bias = _in_units(stage, scale, target, furthest)
    multiplier = Multiplier.of(ratios, -LOWEST * _weights(codes), bias, stage.name)
    bias = np.rint(bias * 2.0**multiplier.shift / multiplier.values).astype(np.int64)
    if (multiplier.values == 2**multiplier.shift).all():
        multiplier = UNCHANGED
    bound = int((-LOWEST * _weights(codes) + np.abs(bias)).max())
    made = IntegerStage(dataclasses.replace(stage, codes=codes), bias, bound, multiplier, raw, table, coarse)
    if not average:
        return made, target
    full = math.prod(window.size for window in stage.pooling)
    if raw:
        return made, target / full
    outer = _scale(max(outer, target / full))
    made.average = Multiplier.of(target / full / outer, -LOWEST * full, 0, stage.name)
    return made, outer


def _in_units(stage, scale, target, furthest):
    """`(codes, ratios, bias)` for outputs in steps of `target`: `ratios` is what a sum of 1 adds to an output.

    The weights of a unit are dropped if all together change no output. A bias is clipped where outputs are beyond `furthest`.
    """
    codes, ratios, weights = stage.codes, scale * stage.factor / target, _weights(stage.codes)
    if codes is not None:
        seen = -LOWEST * weights * ratios > 1 / 4
        codes, weights = np.where(seen, codes, 0).astype(np.int8), np.where(seen, weights, 0)
        ratios = np.where(seen, ratios, ratios[seen].max(initial=0) or 2.0**-8)
    reach = -LOWEST * weights * ratios
    return codes, ratios, np.clip(stage.bias / target, -reach - furthest, reach + furthest)


def _table(alpha, scale):
    """`(int8 table, coarse)`: ELU at -scale, -2 * scale..., divided by `scale`, until it is constant. One entry is used for
    2**coarse neighbours, so that there are at most 255."""
    end = 1
    if alpha > scale / 2:  # `end`: from here on ELU rounds to -alpha, or is below the lowest int8
        lowest = min(1 - scale / (2 * alpha), (1 - LOWEST) * scale / alpha)
        end = math.ceil(-math.log1p(-lowest) / scale)
    coarse = max(0, math.ceil(math.log2(end / _MOST_ENTRIES)))
    middles = 1 + (np.arange(-(-end // 2**coarse)) * 2**coarse) + (2**coarse - 1) / 2
    exact = alpha * np.expm1(-scale * middles) / scale
    return np.clip(np.rint(exact), LOWEST, 0).astype(np.int8), coarse
