"""Masks for the network of a .supermask file, so that its training can continue.

A file has kernels, not scores. Weights and scores are chosen so that weight * mask(score) is the kernel, bit for bit:

    kernel                  weight                                                              mask
    codes * scale           the kernel where it is not 0, else +-scale with signs from a seed   |codes|
    codes * sizes           the kernel where it is not 0, else what mask_model draws            |codes|
    drawn * codes * scale   the drawn weights, with `rescale` if the scale is not 1             codes

    score = 2 threshold * mask, of rules with levels (level + 1/2) threshold; a density finds its threshold between those of
    level 0 and level 1, which are close to 1
"""

import keras
import numpy as np

from tf_supermask import conversion, forms, initializers, maskable, masks, sparsity
from tf_supermask.deploy.container_format import drawn, key_of


def remasked(model, kernels, rule="signed", seed=0, threshold=None, density=None):
    """The masked form of a plain model, not compiled.

    Args:
        model: plain model, Sequential or functional, whose kernels are those of `kernels`.
        kernels: key of a kernel -> Kernel of the file. Each gets a mask that `mask_model` can give one.
        rule: mask rule, one that does not sample and has no latent weights, which files do not hold.
        seed: seed of signs, int >= 0, or None to draw one.
        threshold, density: arguments of the masked layers, see `SignedMaskDense`.

    Raises:
        ValueError: the rule samples, has latent weights, or cannot make one of the masks.
    """
    if masks.rule(rule).sampled:
        raise ValueError(f"`rule` must not sample, since the masks of a file are given. Received: {rule!r}")
    if masks.rule(rule).latent:
        raise ValueError(f"`rule` must not train latent weights, which a file does not hold. Received: {rule!r}")
    variables = {key_of(layer.name, i): v for layer in model.layers for i, v in enumerate(layer.weights)}
    coded = {id(variables[key]): kernel for key, kernel in kernels.items()}
    names = {name: coded.get(id(variable)) for name, (_, variable) in sparsity.kernels(model).items()}

    def filter(layer, name):  # a file has codes of every ternary kernel, also of layers that cannot have a mask
        return id(maskable.kernels_of(layer)[name]) in coded

    seed = forms.seed_of(seed)
    result = conversion.mask_model(
        model, rule, filter=filter, seed=seed, threshold=threshold, density=density, verbose=False
    )
    for name, kernel in sparsity.masked_kernels(result).items():
        signs = np.random.default_rng(initializers.layer_seed(seed, name, "signs"))
        _restore(kernel, names[name], signs)
    return result


def _restore(source, kernel, signs):
    """Gives a MaskedKernel the weights and scores that make a Kernel. Raises ValueError if the rule of its layer cannot."""
    layer, shape = source.layer, tuple(source.weight.shape)
    codes, array = kernel.codes.reshape(shape), kernel.array().reshape(shape)
    most = source.rule.levels if layer.density else max(1, int(np.abs(codes).max()))
    if kernel.draw is not None:
        layer.weight_initializer = keras.initializers.deserialize(kernel.draw["initializer"])
        source.weight.assign(drawn(kernel.draw["initializer"], kernel.draw["shape"]).reshape(shape))
        mask, most = codes, source.rule.levels
        layer.rescale = bool(kernel.scale * most != 1)
    else:
        mask = np.abs(codes)
        if kernel.own is not None:
            source.weight.assign(np.where(mask, array, source.weight))
        elif (
            kernel.scale
        ):  # 0 where all weights are pruned: the magnitude is not known, and mask_model has drawn weights
            size = np.float32(most * kernel.scale)
            source.weight.assign(np.where(mask, np.sign(codes) * size, size * signs.choice([-1.0, 1.0], shape)))
    source.score.assign(_scores(mask, most, source.rule.levels, layer.threshold))
    made = keras.ops.convert_to_numpy(source.array())
    if not np.array_equal(made, array):
        if (np.abs(array[array != 0]) < np.finfo(np.float32).tiny).any():
            raise ValueError(
                f"{layer.name} has weights below {np.finfo(np.float32).tiny:.3g}, which become 0 where a mask "
                "multiplies them; load the network without `masked`"
            )
        given = ("", "") if layer.density is None else (" with a threshold", f" with density={layer.density:g}")
        able, received = " or ".join(map(repr, _able(mask, most))) + given[0], repr(layer.rule) + given[1]
        raise ValueError(f"`rule` cannot make the mask of {layer.name}; use {able}. Received: {received}")


def _able(mask, most):
    """Names of the rules whose own thresholds give `mask` / `most`."""
    return [
        name
        for name, rule in masks.RULES.items()
        if rule.chooses and rule.threshold and rule.levels % most == 0 and np.array_equal(_made(rule, mask, most), mask / most)
    ]


def _made(rule, mask, most):
    """The mask that a rule makes of the scores for `mask` / `most`."""
    scores = _scores(mask, most, rule.levels, rule.threshold).astype(np.float32)
    return keras.ops.convert_to_numpy(rule(scores, rule.threshold))


def _scores(mask, most, levels, threshold):
    """Scores whose mask is `mask` / `most` under a rule of `levels`: between two thresholds, or twice the only one."""
    passed = mask * (levels // most)
    if threshold is None and levels > 1:
        size = np.abs(passed)
        return np.where(size > 1, size + 0.5, np.where(size == 1, 1.001, 0.999)) * np.where(passed < 0, -1, 1)
    return (passed + (np.sign(mask) if levels == 1 else 0.5 * np.sign(mask))) * (threshold or 1.0)
