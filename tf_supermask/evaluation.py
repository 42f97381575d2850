"""Loss and accuracy of a network on fixed images, again and again."""

import tensorflow as tf

from tf_supermask import data, training


class Evaluation:
    """`evaluation()` gives (mean loss, accuracy in percent) of a network with the weights that it then has.

    One compiled call. `keras.Model.evaluate` takes longer to start than FC to see 5,000 images, and lottery tickets are
    evaluated 500 times a round, supermasks 1,300 times.

    Args:
        arrays: images float32 `(n, height, width, channels)`, preprocessed, and labels int32 `(n,)`.
    """

    def __init__(self, model, arrays):
        images, labels = arrays
        self.model, self.size, xla = model, len(labels), training.use_xla(model)
        part = self.size if xla else data.EVALUATION_BATCH  # convolutions of all images take much memory
        self.parts = [(images[i : i + part], labels[i : i + part]) for i in range(0, self.size, part)]
        self._sums = tf.function(self._sums_of, jit_compile=xla)

    def _sums_of(self, images, labels):
        logits = self.model(images, training=False)
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
        return tf.reduce_sum(losses), tf.math.count_nonzero(tf.argmax(logits, -1, tf.int32) == labels)

    def __call__(self):
        sums = [self._sums(*part) for part in self.parts]
        loss, correct = (sum(float(its) for its in column) for column in zip(*sums, strict=True))
        return loss / self.size, 100 * correct / self.size
