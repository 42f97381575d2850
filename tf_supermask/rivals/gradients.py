"""The gradient of the loss to the kernels of masked layers, those of masked weights too."""

import keras
import numpy as np
import tensorflow as tf

from tf_supermask import sparsity
from tf_supermask.masked_kernel import kernels_from

DIVERGED = "The training diverged"


class Gradients:
    """`gradients(x, y)`: name of a kernel -> d loss / d (weight * mask) as an array, at the present weights and masks.

    The loss is that of the compiled model, in training, without what regularizers add for the weights; the call changes no
    variable, so that statistics and random generators are as before.
    """

    def __init__(self, model):
        if len(getattr(model, "inputs", [model])) != 1 or len(getattr(model, "outputs", [model])) != 1:
            raise ValueError(f"gradients need a model with one input and one output. Received: {model.name}, with several")
        self.model = model
        self.names = list(sparsity.masked_kernels(model))
        self._compiled = self._of if model.run_eagerly else tf.function(self._of)

    def _of(self, x, y):
        kernels = sparsity.masked_kernels(self.model)
        present = [(variable, variable.value) for variable in self.model.variables]  # which regularizers ask for
        with keras.StatelessScope(present), tf.GradientTape(watch_accessed_variables=False) as tape:
            values = {id(kernel.weight): tf.convert_to_tensor(kernel.draw()) for kernel in kernels.values()}
            tape.watch(list(values.values()))
            with kernels_from(lambda kernel: values[id(kernel.weight)]):
                outputs = self.model(x, training=True)
                loss = self.model.compute_loss(x, y, outputs, training=True)
        return tape.gradient(loss, list(values.values()), unconnected_gradients="zero")

    def __call__(self, x, y):
        given = np.shape(x)[1:]
        wanted = self.model.inputs[0].shape[1:] if getattr(self.model, "inputs", None) else given  # a subclassed one takes any
        if len(given) != len(wanted) or any(size not in (None, its) for size, its in zip(wanted, given, strict=True)):
            raise ValueError(f"`data` must have images of the shape {wanted} that the model takes. Received: {given}")
        gradients = map(np.asarray, self._compiled(tf.convert_to_tensor(x), tf.convert_to_tensor(y)))
        gradients = dict(zip(self.names, gradients, strict=True))
        wrong = [name for name, gradient in gradients.items() if not np.all(np.isfinite(gradient))]
        if wrong:
            raise ValueError(
                f"masks cannot be chosen by gradients that are not finite: those of {', '.join(wrong)}. {DIVERGED}, or `data` "
                "has values that are not finite"
            )
        return gradients


def _two(batch):
    if not isinstance(batch, (tuple, list)) or len(batch) != 2:
        raise ValueError(f"`data` must return a batch, images and labels. Received: {type(batch).__name__}")
    return batch


def batches_of(data, batch_size, seed):
    """A function from the number of steps to a batch: `data` itself, or one that draws from two arrays, images and labels.

    Raises ValueError for anything else, and for arrays of different lengths.
    """
    if callable(data):
        return lambda step: _two(data(step))
    sizes = [len(part) for part in data if hasattr(part, "__len__")] if isinstance(data, (tuple, list)) else []
    two = len(sizes) == 2 == len(data)
    if not two or sizes[0] != sizes[1] or not sizes[0]:
        received = f"arrays of {sizes[0]} and {sizes[1]}" if two else type(data).__name__
        raise ValueError(
            "`data` must be two arrays of one length, images and labels, or a function from the number of steps to a batch. "
            f"Received: {received}"
        )
    images, labels = map(np.asarray, data)

    def batch(step):
        draw = np.random.default_rng([seed, step])
        chosen = np.sort(draw.choice(len(images), min(batch_size, len(images)), replace=False))
        return images[chosen], labels[chosen]

    return batch
