"""TensorFlow's stateless random numbers in numpy: one seed gives the same weights and scores on every backend of Keras.

The generator is Philox4x32-10 (Salmon et al. 2011, 'Parallel random numbers: as easy as 1, 2, 3'), a function of a key and of a
counter that makes four words of 32 bits. A word gives a number of [0, 1) by its lower 23 bits, and two words give two normal
numbers (Box and Muller 1958):

    r (sin v, cos v),    r = sqrt(-2 log max(u1, 1e-7)),    v = 2 pi u2

All are rounded to float32 where `tf.random.stateless_uniform`, `stateless_normal` and `stateless_truncated_normal` round on a
CPU, with the logarithm, sine and cosine of the same C library, so that the numbers equal theirs bit for bit.
"""

import math

import keras
import numpy as np
import scipy.special

_ROUNDS = 10
_MULTIPLIERS = np.array([0xD2511F53, 0xCD9E8D57], np.uint64)
_KEY_STEPS = np.array([0x9E3779B9, 0xBB67AE85], np.uint64)
_WORD, _HALF = np.uint64(0xFFFFFFFF), np.uint64(32)
_SEED_KEY = np.array([0x3EC8F720, 0x02461E29], np.uint64)  # with which TensorFlow mixes a seed
_APART = 256  # counters from one group of four truncated numbers to the next
_PAIRS = 2  # of normal numbers that are tried first for such a group: enough for 83 %, others try twice as many


def uniform(seed, shape):
    """Numbers of [0, 1): float32 array. `seed`: an int, or a keras.random.SeedGenerator, which is advanced."""
    return _numbers(_words(seed, np.arange(_groups(shape)))).ravel()[: math.prod(shape)].reshape(shape)


def normal(seed, shape):
    """Standard normal numbers. Arguments and type as for `uniform`."""
    return _by_pairs(seed, shape, lambda one, two: _radius(one)[..., None] * _direction(two))


def normal_signs(seed, shape):
    """The signs of `normal`: -1 below 0, else 1."""
    return np.where(_by_pairs(seed, shape, lambda one, two: _direction(two)) < 0, -1, 1)


def truncated_normal(seed, shape):
    """Standard normal numbers between -2 and 2: of all that are drawn, those outside are left out."""
    return _truncated(_pair(seed), np.arange(_groups(shape)), _PAIRS).ravel()[: math.prod(shape)].reshape(shape)


def _truncated(seed, groups, pairs):
    """The first four numbers between -2 and 2 of each group: array of shape (groups, 4)."""
    counters = _APART * groups[:, None] + np.arange(pairs // 2)
    one, two = _words(seed, counters).reshape(len(groups), pairs, 2).transpose(2, 0, 1)
    values = (_radius(one)[..., None] * _direction(two)).reshape(len(groups), 2 * pairs)
    within = np.abs(values) < 2
    first = np.argsort(~within, axis=1, kind="stable")[:, :4]
    few = within.sum(axis=1) < 4
    result = np.take_along_axis(values, first, axis=1)
    if few.any():
        result[few] = _truncated(seed, groups[few], 2 * pairs)
    return result


def _groups(shape):
    return -(-math.prod(shape) // 4)


def _by_pairs(seed, shape, of):
    """`of(one, two)`, two numbers of each pair of words, in an array of `shape`."""
    one, two = _words(seed, np.arange(_groups(shape))).reshape(-1, 2).T
    return of(one, two).ravel()[: math.prod(shape)].reshape(shape)


def _numbers(words):
    return (words & np.uint64(0x7FFFFF)).astype(np.float32) * np.float32(2**-23)


def _radius(words):
    u = np.maximum(_numbers(words), np.float32(1e-7))
    return np.sqrt(np.float32(-2) * scipy.special.xlogy(np.float32(1), u))  # logf of the C library; np.log has its own


def _direction(words):
    """Sine and cosine of an angle, in one more axis."""
    angle = (2 * math.pi * _numbers(words).astype(np.float64)).astype(np.float32)
    turned = np.exp(1j * angle.astype(np.complex64))  # sincosf of the C library; np.sin and np.cos have their own
    return np.stack([turned.imag, turned.real], axis=-1)


def _pair(seed):
    """The two int32 numbers that are the seed of TensorFlow, of an int or a SeedGenerator."""
    if isinstance(seed, keras.random.SeedGenerator):
        seed = keras.ops.convert_to_numpy(seed.next())
    pair = (seed, 0) if np.ndim(seed) == 0 else seed
    return [int(number) % (2**31 - 2) for number in pair]  # as Keras does


def _words(seed, counters):
    """The four words of each counter, in one more axis: uint64 array."""
    low, high = _pair(seed)
    mixed = philox(np.array([low, 0, high, 0], np.uint64), _SEED_KEY)
    counters = np.asarray(counters, np.uint64)
    rest = [np.full_like(counters, mixed[place]) for place in (2, 3)]
    return philox(np.stack([counters & _WORD, counters >> _HALF, *rest], axis=-1), mixed[:2])


def philox(counters, key):
    """Counters and key in words of 32 bits: arrays of shape (..., 4) and (2,)."""
    a, b, c, d = np.moveaxis(counters, -1, 0)
    for number in range(_ROUNDS):
        one, two = (key + np.uint64(number) * _KEY_STEPS) & _WORD
        left, right = a * _MULTIPLIERS[0], c * _MULTIPLIERS[1]
        a, b, c, d = (right >> _HALF) ^ b ^ one, right & _WORD, (left >> _HALF) ^ d ^ two, left & _WORD
    return np.stack([a, b, c, d], axis=-1)
