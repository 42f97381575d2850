"""The idea of the package: a frozen weight, a trained score, and a rule that turns the score into a mask.

    effective kernel = weight * mask(score)                              (Koster et al. 2022, Eq. 1 and 2)

A rule is a pure function `(score, threshold) -> mask`. It returns a tensor of the score's shape and type, with one of the
gradients in `gradients`. To add a rule, register it; layers, `mask_model` and records then know it by its name, and flags know
those of this module:

    @masks.register("keep_large", threshold=0.1)
    def keep_large(score, threshold):
        return masks.straight_through(score, ops.cast(ops.abs(score) > threshold, score.dtype))

Two properties of a rule exchange what is frozen. A `latent` rule is one of trained weights: the score is the latent weight, and
starts as the weights do; the weight is a constant (`latent` has these rules). A rule of `given` masks trains the weights: the
scores are the masks, and are set from outside, by the callback `MaskUpdates`.

Rules are made of `keras.ops`, and run on every backend of Keras.
"""

import dataclasses
from typing import Callable

from keras import ops

from tf_supermask import arguments, latent
from tf_supermask.gradients import straight_through, through_sigmoid, through_size


def _itself(score):
    return score


@dataclasses.dataclass(frozen=True)
class Rule:
    """A mask rule and its properties: `rule(score, threshold)` is the mask."""

    function: Callable  # (score, threshold) -> mask, two tensors of one type
    threshold: float | None  # default threshold
    sampled: bool  # the layer draws a new threshold from [0, 1) for each weight at each use
    signed: bool  # masks have values below 0
    interval: bool = False  # the scores whose mask is 0 form an interval
    levels: int = 1  # masks are multiples of 1 / levels
    compared: Callable = _itself  # score -> what the threshold is compared with, of which a density keeps the largest
    needs_density: bool = False  # there is no default threshold
    kernel: Callable | None = None  # (weight, score, mask, scales) -> kernel; None: weight * mask
    # shape -> the size of the constant weights, of which the mask gets the score as a multiple
    latent: Callable | None = None
    clipped: bool = False  # latent weights are kept within the size of the constant weights
    scales: bool = False  # the layer trains two scales, which start at 1
    given: bool = False  # weights are trained, scores are masks that are set

    @property
    def chooses(self):
        """Whether a density or a share of the largest score can set the threshold."""
        return not (self.sampled or self.latent or self.given)

    def __call__(self, score, threshold):
        score = ops.convert_to_tensor(score)
        mask = self.function(score, ops.cast(threshold, score.dtype))
        if tuple(mask.shape) != tuple(score.shape):
            raise ValueError(
                f"a mask rule must return a mask of the shape of its scores, {tuple(score.shape)}. Received: {tuple(mask.shape)}"
            )
        return mask


RULES = {}


def register(
    name, threshold=None, sampled=False, signed=False, interval=False, levels=1, compared=None, needs_density=False, kernel=None,
    latent=None, clipped=False, scales=False, given=False,
):  # fmt: skip
    """Decorator that makes a function `(score, threshold) -> mask` the rule `name`.

    Args:
        name: the name of the rule in layers, `mask_model` and flags.
        threshold: default threshold, >= 0; required unless `sampled` or `needs_density`.
        sampled: the threshold is drawn from [0, 1) for each weight at each use.
        signed: masks have values below 0, so that `rescale` counts their absolute values and `density` those of scores.
        interval: the scores whose mask is 0 form an interval: what lies between two pruned scores is pruned. `shrink` removes
            units only where this is so.
        levels: masks are multiples of 1 / levels, from -1 to 1; at most 127.
        compared: function of the scores that gives what is compared with the threshold; their size if `signed`, else the scores.
        needs_density: there is no default threshold: a layer gets a `density`, a threshold or a relative one.
        kernel: function `(weight, score, mask, scales) -> kernel` in place of weight * mask.
        latent, clipped, scales, given: of rules of trained weights, see `masks.Rule`.

    Raises:
        ValueError: the name is registered already; not exactly one of `threshold`, `sampled` and `needs_density` is given; an
            argument is not of its kind.
    """
    made = Rule(
        None, threshold, sampled, signed, interval, levels, compared, needs_density, kernel, latent, clipped, scales, given
    )  # fmt: skip
    made = _checked_new(name, made)

    def add(function):
        compared = made.compared or (ops.abs if made.signed else _itself)
        arguments.function("function", function, "a function of score and threshold")
        RULES[name] = dataclasses.replace(made, function=function, compared=compared)
        return function

    return add


def _checked_new(name, rule):
    """`rule`. Raises ValueError if `name` is no text or is taken, or a property of a Rule without its function is not
    of its kind."""
    if not isinstance(name, str):
        raise arguments.refused("name", "the name of the rule, text, as in @masks.register('new')", name)
    if name in RULES:
        raise ValueError(f"the mask rule {name!r} is registered already; choose another name")
    for field in dataclasses.fields(rule):
        value = getattr(rule, field.name)
        if field.type is bool:
            rule = dataclasses.replace(rule, **{field.name: arguments.switch(field.name, value)})
        elif field.name in ("compared", "kernel", "latent") and value is not None:
            arguments.function(field.name, value, "a function")
    rule = dataclasses.replace(rule, levels=arguments.integer("levels", rule.levels, low=1, most=127))
    if rule.threshold is not None:
        arguments.threshold(rule.threshold)
    if (rule.threshold is not None) + rule.sampled + rule.needs_density != 1:
        raise ValueError(
            "a mask rule needs one of `threshold`, `sampled=True` and `needs_density=True`. "
            f"Received: threshold={rule.threshold}, sampled={rule.sampled}, needs_density={rule.needs_density}"
        )
    return rule


def rule(name):
    """The Rule `name`. Raises ValueError if no rule has this name."""
    return RULES[arguments.choice("rule", name, RULES)]


@register("signed", threshold=0.01, signed=True, interval=True)  # Koster et al. 2022, section 3.2
def signed(score, threshold):
    """Keep, hide or invert: +1 where score > threshold, -1 where score < -threshold, else 0.

    A `density` has thresholds below 0 where it keeps scores of 0: these get +1, and the others their sign.

    Deviation: the paper's Eq. 2 includes the thresholds (>=, <=); the paper's results were made with the strict form.
    They differ only for a score that equals the threshold exactly.
    """
    # int8 until the end: for millions of weights memory traffic decides the speed.
    kept = ops.cast(ops.abs(score) > threshold, "int8")
    return straight_through(score, ops.cast(_sign(score, "int8") * kept, score.dtype))


def _sign(score, dtype):
    """+1 where score >= 0, else -1: unlike `ops.sign`, a score of 0 can be kept."""
    return 1 - 2 * ops.cast(score < 0, dtype)


@register("binary", threshold=0.01, interval=True)
def binary(score, threshold):
    """Keep or hide: 1 where score > threshold, else 0, one-sided (Koster et al. 2022, Figure 3)."""
    return straight_through(score, ops.cast(score > threshold, score.dtype))


@register("bernoulli", sampled=True)
@register("rounded", threshold=0.5, interval=True, compared=ops.sigmoid)
def probable(score, threshold):
    """1 where sigmoid(score) > threshold, else 0 (Zhou et al. 2019).

    With a threshold drawn uniformly from [0, 1) for each weight this is a Bernoulli sample with probability sigmoid(score);
    with 1/2 it is the rounded probability. Deviation: all weights are rounded, as the paper says; the authors' code rounds a
    random half.
    """
    return through_sigmoid(score, ops.cast(ops.sigmoid(score) > threshold, score.dtype))


def _with_levels(levels):
    """sign(score) * the number of thresholds that |score| passes / `levels`; the thresholds are 1 to `levels` times the first.

    Masks of several levels are those of Okoshi et al., 'Multicoated Supermasks Enhance Hidden Networks' (2022), with the sign of
    the score as in Koster et al. 2022. Deviation: their thresholds are quantiles of the scores; here the first is set, or is that
    of a `density`, and the others are multiples of it.
    """

    def rule(score, threshold):
        size = ops.abs(score)
        passed = sum(ops.cast(size > level * threshold, score.dtype) for level in range(1, levels + 1))
        return straight_through(score, _sign(score, score.dtype) * passed / levels)

    return rule


register("signed_2_levels", threshold=0.01, signed=True, interval=True, levels=2)(_with_levels(2))
register("signed_4_levels", threshold=0.01, signed=True, interval=True, levels=4)(_with_levels(4))


@register("edge_popup", interval=True, compared=ops.abs, needs_density=True)
def edge_popup(score, threshold):
    """Keep the largest |score|: 1 where |score| > threshold, else 0 (Ramanujan et al. 2020). Ranks are new at each use."""
    return through_size(score, ops.cast(ops.abs(score) > threshold, score.dtype))


# MPT-1/32 (Diffenderfer and Kailkhura 2021): the same masks and gradients, and weights of one size in a layer.
register("mpt", interval=True, compared=ops.abs, needs_density=True, kernel=latent.mean_weight)(edge_popup)

# IteRand (Chijiwa et al. 2021) ranks scores, not |scores|. The callback `MaskUpdates` draws its pruned weights again.
register("iterand", interval=True, needs_density=True)(binary)


def _one(shape):
    return 1.0


_binary = {"signed": True, "latent": latent.glorot_size, "clipped": True}
register("twn", threshold=0.7, signed=True, latent=_one, kernel=latent.mean_latent)(latent.ternary_of_mean)
register("ttq", threshold=0.05, signed=True, latent=latent.he_size, kernel=latent.two_scales, scales=True)(
    latent.ternary_of_max
)
register("binaryconnect", threshold=0.0, **_binary)(latent.binary_sign)
register("binaryconnect_stochastic", sampled=True, **_binary)(latent.binary_sample)


@register("sparse", threshold=0.5, given=True)
def given_mask(score, threshold):
    """The mask that a score of 0 or 1 says, without a gradient."""
    return ops.stop_gradient(ops.cast(score > threshold, score.dtype))
