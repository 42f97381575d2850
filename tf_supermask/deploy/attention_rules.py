"""How MultiHeadAttention treats channels, for compaction: heads that reach no output go, and so do features that no head reads.

    output = sum over heads h of (weights of h applied to value @ W_v[h] + b_v[h]) @ W_o[h] + b_o

A head whose value is always 0, or whose output projection is 0, adds nothing, whatever its weights are. Rules are as in
channel_rules.
"""

import inspect

import keras
import numpy as np

from tf_supermask.deploy.channels import Step, array


class Attention(Step):
    """A call with sequences: query and value, and key, which is the value if it is not given."""

    makes_units = has_kernel = True

    def __init__(self, call, inputs, channels):
        layer = call.layer
        self._projections = [layer.query_dense, layer.key_dense, layer.value_dense]  # features, heads, size of a head
        self._output = array(layer.output_dense.kernel)  # heads, size of a head, units
        value = (array(layer.value_dense.kernel) != 0).any(axis=(0, 2))
        if layer.use_bias:
            value |= array(layer.value_dense.bias).any(axis=1)
        self._links = (self._output != 0).any(axis=1) & value[:, None]
        bias = array(layer.output_dense.bias) if layer.use_bias else np.zeros(self._output.shape[-1])
        result = channels.new(len(bias), np.where(self._links.any(axis=0), np.nan, bias))
        super().__init__(call, inputs, channels, result)

    def _heads(self):
        """Bool array: the heads that reach what stays, one at least."""
        heads = self._links[:, self.keep(self.result)].any(axis=1)
        heads[0] |= not heads.any()
        return heads

    def reads(self):
        heads = self._heads()
        linked = [(array(projection.kernel)[:, heads] != 0).any(axis=(1, 2)) for projection in self._projections]
        return [which & (x.values != 0) for which, x in zip(linked, self.inputs, strict=True)]

    def changes(self):
        return {"num_heads": int(self._heads().sum()), "output_shape": (int(self.keep(self.result).sum()),)}

    def weights(self):
        heads, units, made = self._heads(), self.keep(self.result), []
        for projection, x in zip(self._projections, self.inputs, strict=True):
            kernel, *bias = projection.get_weights()
            made += [kernel[self.keep(x)][:, heads], *(values[heads] for values in bias)]
        _, *bias = self.layer.output_dense.get_weights()
        return made + [self._output[heads][..., units], *(values[units] for values in bias)]


def _attention(call, inputs, channels):
    given = inspect.signature(call.layer.call).bind(*call.args, **call.kwargs).arguments
    key = given.get("key")
    sequences = [given["query"], given["value"] if key is None else key, given["value"]]
    if not _known(call.layer, given, sequences):
        return None
    known = {id(symbol): tensor for symbol, tensor in zip(call.inputs, inputs, strict=True)}
    read = [known[id(x)] for x in sequences]
    masks = [tensor for number, tensor in known.items() if number not in map(id, sequences)]
    channels.pin(masks, f"{call.layer.name} (MultiHeadAttention) reads them as masks")
    return Attention(call, read, channels)


def _known(layer, given, sequences):
    """Whether a call is attention of sequences along time, in inference, with masks that are the same for all heads."""
    options = given.get("training") or given.get("return_attention_scores")
    by_head = len(getattr(given.get("attention_mask"), "shape", ())) > 3
    parts = layer.query_dense, layer.key_dense, layer.value_dense, layer.output_dense
    alone = len(layer.weights) == 4 * (1 + layer.use_bias) and not any(part.lora_enabled for part in parts)
    along_time = layer.attention_axes in (None, (1,)) and len(layer.output_dense.kernel.shape) == 3
    sequential = all(isinstance(x, keras.KerasTensor) and len(x.shape) == 3 for x in sequences)
    return alone and along_time and sequential and not options and not by_head


RULES = {keras.layers.MultiHeadAttention: _attention}
