"""What each layer of a model does with channels, by the tables of channel_rules, kernel_rules and attention_rules."""

import collections

import keras

from tf_supermask import graph
from tf_supermask.deploy import attention_rules, channel_rules, kernel_rules
from tf_supermask.deploy.channels import Channels, last

RULES = channel_rules.RULES | kernel_rules.RULES | attention_rules.RULES
_SEVERAL = set(
    attention_rules.RULES
)  # layers that are called with more than one tensor, and whose rules look at the options
_TRAINING = (  # layers that do something else in training
    *(
        keras.layers.BatchNormalization,
        keras.layers.MultiHeadAttention,
        keras.layers.Dropout,
        keras.layers.AlphaDropout,
    ),
    *(keras.layers.GaussianDropout, keras.layers.GaussianNoise),
)


class Structure:
    """The channels of a plain functional or Sequential model, and what its layers do with them.

    A layer that is not understood keeps all its channels and all that it reads: a layer without a rule, one that is used more
    than once, and one that is called with more than a tensor, such as `training=True`. Models inside are understood layer by
    layer, unless `open_models` is False.

    Attributes:
        channels: Channels of the whole graph; those of inputs, outputs and layers that are not understood are pinned.
        tensors: id of a symbolic tensor -> Tensor.
        understood: layer -> Step.
        whole: layer that is not understood -> (its last call, why all channels that it reads and returns stay).
    """

    def __init__(self, model, open_models=True):
        self.model, self.open_models = model, open_models
        self.graphs, self.uses = {model: graph.of(model)}, collections.Counter()
        self.training = False  # whether a layer is called with training=True, which Keras passes on to those after it
        self.channels, self.tensors = Channels(), {}
        self.understood, self.whole = {}, {}
        self._count(self.graphs[model])
        for tensor in self.graphs[model].inputs:
            self.tensors[id(tensor)] = self._pinned(tensor, "they are the input")
        self._forward(self.graphs[model])
        outputs = [self.tensors[id(output)] for output in self.graphs[model].outputs]
        self.channels.pin(outputs, "they are the output")

    def opened(self, layer):
        """Whether a layer is a model inside that is understood layer by layer."""
        return layer in self.graphs and layer not in self.whole

    def _count(self, inside):
        """Counts the uses of all layers, also in models inside."""
        for call in inside.calls:
            self.uses[call.layer] += 1
            self.training |= bool(call.kwargs.get("training"))
            if self.open_models and graph.is_model(call.layer):
                self.graphs.setdefault(call.layer, graph.of(call.layer))
                self._count(self.graphs[call.layer])

    def _pinned(self, symbol, reason):
        tensor = self.channels.new(last(symbol))
        self.channels.pin([tensor], reason)
        return tensor

    def _forward(self, inside):
        for call in inside.calls:
            inputs = [self.tensors[id(tensor)] for tensor in call.inputs]
            if call.layer in self.graphs and self._opens(call):
                self._enter(call, self.graphs[call.layer])
                continue
            step = self._step(call, inputs)
            if step:
                self.understood[call.layer] = step
                self.tensors[id(call.outputs[0])] = step.result
                continue
            reason = f"{call.layer.name} ({type(call.layer).__name__}) {self._why(call)}"
            self.whole[call.layer] = call, reason
            self.channels.pin(inputs, reason)
            self.tensors |= {id(output): self._pinned(output, reason) for output in call.outputs}

    def _opens(self, call):
        """Whether the layers of a model inside can be understood: it is used once, with tensors like its own inputs."""
        own, given = (
            [(len(x.shape), x.shape[-1:], x.dtype) for x in tensors]
            for tensors in (self.graphs[call.layer].inputs, call.inputs)
        )
        return own == given and self.uses[call.layer] == 1 and not call.options and not isinstance(call.args[0], dict)

    def _enter(self, call, inside):
        for one, other in zip(inside.inputs, call.inputs, strict=True):
            self.tensors[id(one)] = self.tensors[id(other)]
        self._forward(inside)
        for one, other in zip(call.outputs, inside.outputs, strict=True):
            self.tensors[id(one)] = self.tensors[id(other)]

    def _step(self, call, inputs):
        """The Step of a call, None if it is not understood."""
        layer = call.layer
        rule = RULES.get(type(layer))
        channels_last = getattr(layer, "data_format", None) in (None, "channels_last")
        if not rule or not channels_last or self._unlike(call) or (call.options and type(layer) not in _SEVERAL):
            return None
        step = rule(call, inputs, self.channels)
        return step if step and len(step.result.channels) == last(call.outputs[0]) else None

    def _unlike(self, call):
        """Why a call of a layer may differ from the use of it alone, in inference; None if it does not."""
        if any(not isinstance(x, keras.KerasTensor) and x is not None for x in keras.tree.flatten(call.args)):
            return "has a constant among its inputs"
        if self.uses[call.layer] > 1:
            return f"is used {self.uses[call.layer]} times"
        if self.training and isinstance(call.layer, _TRAINING) and call.kwargs.get("training") is None:
            return "may be in training, as another layer is, which is called with training=True"
        return None

    def _why(self, call):
        """Why the call of a layer is not understood."""
        options = f"is called with {', '.join(call.options)}" if call.options else "may use any of them"
        return self._unlike(call) or options
