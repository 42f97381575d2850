"""Fast repeated evaluation of a network on fixed images."""

import tensorflow as tf

from tf_supermask.experiments import data


class Evaluation:
    """`evaluation()` returns (mean loss, accuracy in percent) of a network with its current weights.

    It is one compiled call. `keras.Model.evaluate` needs more time to start than FC needs for 5,000 images, and lottery tickets
    are evaluated 500 times per round, supermasks 1,300 times.

    Args:
        arrays: images float32 `(n, height, width, channels)`, preprocessed, and labels int32 `(n,)`.
    """

    def __init__(self, model, arrays):
        self.model, (self.images, self.labels) = model, arrays
        self._sums = tf.function(self._sums_of)  # without XLA, whose products are slower on a CPU

    def _sums_of(self):
        loss, correct, part = tf.constant(0, tf.float64), tf.constant(0, tf.int64), data.EVALUATION_BATCH
        for start in tf.range(0, len(self.labels), part):
            tf.autograph.experimental.set_loop_options(
                parallel_iterations=2
            )  # all batches in parallel need much memory
            labels = self.labels[start : start + part]
            logits = self.model(self.images[start : start + part], training=False)
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
            loss += tf.cast(tf.reduce_sum(losses), tf.float64)
            correct += tf.math.count_nonzero(tf.argmax(logits, -1, tf.int32) == labels)
        return loss, correct

    def __call__(self):
        loss, correct = map(float, self._sums())
        return loss / len(self.labels), 100 * correct / len(self.labels)
