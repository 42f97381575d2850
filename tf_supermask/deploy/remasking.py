"""Masks for the network of a .supermask file, so that its training can continue.

A file has kernels, not scores. Weights and scores are chosen so that weight * mask(score) is the kernel, bit for bit:

    kernel                  weight                                                              mask
    codes * scale           the kernel where it is not 0, else +-scale with signs from a seed   |codes|
    drawn * codes * scale   the drawn weights, with `rescale` if the scale is not 1             codes

    score = 2 threshold * mask
"""

import keras
import numpy as np

from tf_supermask import conversion, initializers, masks
from tf_supermask.deploy.container_format import drawn
from tf_supermask.signed_mask import SignedMask


def remasked(model, kernels, rule="signed", seed=0):
    """The masked form of a plain model, not compiled.

    Args:
        model: plain model, Sequential or functional, whose kernels are those of `kernels`.
        kernels: layer name -> Kernel of the file. Each gets a mask that `mask_model` can give one.
        rule: mask rule, one that does not sample.
        seed: seed of signs, int >= 0.

    Raises:
        ValueError: the rule samples, or cannot make one of the masks.
    """
    if masks.rule(rule).sampled:
        raise ValueError(f"`rule` must not sample, since the masks of a file are given. Received: {rule!r}")
    # A file has codes of every ternary kernel, also of layers that cannot have a mask.
    layers = [layer for layer in model.layers if layer.name in kernels]
    layers = {layer for layer in layers if not isinstance(layer.activation, keras.layers.PReLU)}
    masked = conversion.mask_model(model, rule, filter=lambda layer: layer in layers, seed=seed, verbose=False)
    for layer in masked.layers:
        if isinstance(layer, SignedMask):
            signs = np.random.default_rng(initializers.layer_seed(seed, layer.name, "signs"))
            _restore(layer, kernels[layer.name], signs)
    return masked


def _restore(layer, kernel, signs):
    """Gives a masked layer the weights and scores that make a Kernel. Raises ValueError if the rule of the layer cannot."""
    shape = tuple(layer.weight.shape)
    codes, array = kernel.codes.reshape(shape), kernel.array().reshape(shape)
    if kernel.draw is not None:
        layer.weight_initializer = keras.initializers.deserialize(kernel.draw["initializer"])
        layer.weight.assign(drawn(kernel.draw["initializer"], shape))
        layer.rescale, mask = bool(kernel.scale != 1), codes
    else:
        mask = np.abs(codes)
        if kernel.scale:  # 0 where all weights are pruned: the magnitude is not known, and mask_model has drawn weights
            layer.weight.assign(np.where(mask, array, kernel.scale * signs.choice([-1.0, 1.0], shape)))
    layer.score.assign(mask * (2 * layer.threshold or 1.0))
    if not np.array_equal(layer.effective_kernel, array):
        raise ValueError(f"`rule` cannot make the mask of {layer.name}; use 'signed'. Received: {layer.rule!r}")
