"""Random affine distortion of training images: rotation, shear, scale and shift, as for handwritten digits."""

import keras
import tensorflow as tf

# At strength 1, each drawn uniformly between plus and minus this: radians, shear, change of scale, share of the side.
ANGLE, SHEAR, SCALE, SHIFT = 0.2, 0.15, 0.12, 1 / 14


def transforms(draws, height, width):
    """The transforms `(n, 8)` of keras.ops.image.affine_transform for `draws` `(n, 6)` from -1 to 1, times the strength: angle,
    shear, scale down and across, shift down and across. 0 leaves an image as it is."""
    angle, shear, down, across, shift_down, shift_across = tf.unstack(tf.cast(draws, tf.float32), axis=-1)
    cos, sin, shear = tf.cos(ANGLE * angle), tf.sin(ANGLE * angle), SHEAR * shear
    down, across = 1 + SCALE * down, 1 + SCALE * across
    to_x = cos / across, (cos * shear - sin) / down  # of the place across, and down, that a pixel is read from
    to_y = sin / across, (sin * shear + cos) / down
    x, y = (width - 1) / 2, (height - 1) / 2  # the centre stays, but for the shift
    left = x - to_x[0] * x - to_x[1] * y + SHIFT * width * shift_across
    top = y - to_y[0] * x - to_y[1] * y + SHIFT * height * shift_down
    zeros = tf.zeros_like(cos)
    return tf.stack([*to_x, left, *to_y, top, zeros, zeros], axis=-1)


def distorted(images, seed, strength):
    """`images`, float32 `(batch, height, width, channels)`, each distorted at random; what is beyond the border is as the border.

    `seed`: two integers, int64.
    """
    draws = strength * tf.random.stateless_uniform([tf.shape(images)[0], 6], seed + [0, 2**49], -1, 1)
    moved = transforms(draws, *images.shape[1:3])
    return keras.ops.image.affine_transform(images, moved, fill_mode="nearest", data_format="channels_last")
