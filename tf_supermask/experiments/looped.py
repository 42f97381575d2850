"""Several training steps in one computation of XLA.

A step of FCN takes about a millisecond, and as long again to be begun from outside: variables and a batch are handed to XLA and
back. A loop inside of XLA hands them over once for many steps. The steps are the same.
"""

import keras
import tensorflow as tf


class Looped(keras.Model):
    """Functional model whose training step takes the images of several batches, and makes a step with each in their order.

    Args of the constructor are those of keras.Model. `batch_size`: images of a step; it divides those that `fit` gives in one
    call, unless they are fewer.
    """

    batch_size = None

    def train_step(self, data):
        count = tf.shape(data[1])[0]
        size = tf.minimum(self.batch_size, count)
        images, labels = (tf.reshape(its, tf.concat([[-1, size], tf.shape(its)[1:]], 0)) for its in data)
        images = tf.ensure_shape(images, [None, None, *data[0].shape[1:]])

        def step(number):
            super(Looped, self).train_step((images[number], labels[number]))
            return number + 1

        tf.while_loop(lambda number: number < count // size, step, [tf.constant(0)])
        return self.get_metrics_result()


def looped(model, batch_size, metrics):
    """A Looped model with the layers, the optimizer and the loss of `model`, a compiled functional model, and new metrics."""
    made = Looped(model.inputs, model.outputs, name=model.name)
    made.batch_size = batch_size
    made.compile(model.optimizer, model.loss, metrics=metrics, jit_compile=True)
    return made
