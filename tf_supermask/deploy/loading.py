"""Reading of .supermask files, also of damaged and hostile ones. container.py has the format."""

import contextlib
import dataclasses
import functools
import math

import constriction
import numpy as np

from tf_supermask import arguments, cloning, files, forms, masks
from tf_supermask.deploy import allowed, architecture, coding, level_codes, own_weights
from tf_supermask.deploy.container_format import (
    CHECKSUM_BYTES,
    ENDING,
    MAGIC,
    OLDEST,
    VERSION,
    Kernel,
    check_size,
    inflating,
    key_of,
    most_numbers,
    opened,
    sealed,
    slow_draw,
)
from tf_supermask.deploy.remasking import remasked
from tf_supermask.errors import InputError, one_line

MOST_WEIGHTS = 2**28  # in a file: 1 GiB of float32
_MOST_AXES = 16  # of weights


@dataclasses.dataclass
class Contents:
    """The content of a file, before a model is made from it."""

    name: str  # of the file, for error messages
    model: dict  # Keras' description
    headers: (
        dict  # key of a kernel (container_format.key_of) -> parameters that decode its kernel: view, codes, scale, draw
    )
    numbers: int  # in `arrays`, and in weights of kernels' own
    size: int  # of the file, in bytes
    version: int
    packed: bytes  # arrays, deflated, and what follows
    codes: bytes = b""  # of all kernels, encoded

    @property
    def weights(self):
        """Number of weights in the file."""
        return self.numbers - sum(self._own.values()) + sum(math.prod(its["view"]) for its in self.headers.values())

    @property
    def _own(self):
        """Key of a kernel with weights of its own -> how many numbers these take, at the start of the arrays."""
        return {key: own_weights.length(header["own"]) for key, header in self.headers.items() if "own" in header}

    @property
    def all_arrays(self):
        """Weights of kernels' own, and then `arrays`, float32."""
        return np.frombuffer(inflating(self.version).decompress(self.packed), "<f4")

    @property
    def arrays(self):
        """All variables but the coded kernels, float32."""
        return self.all_arrays[sum(self._own.values()) :]

    @functools.cached_property
    def kernels(self):
        """Key of a kernel -> Kernel. Raises InputError if the codes are damaged."""
        with _damage(self.name):
            decoder = constriction.stream.queue.RangeDecoder(np.frombuffer(self.codes, "<u4").astype(np.uint32))
            kernels = {name: _decoded(header, decoder) for name, header in self.headers.items()}
            if not decoder.maybe_exhausted():
                raise ValueError("codes that go on after the last kernel")
            rest = self.all_arrays if self._own else ()
            for key, size in self._own.items():
                block, rest = rest[:size], rest[size:]
                kernels[key].own = own_weights.unpacked(self.headers[key]["own"], block, kernels[key].codes)
            return kernels


def _decoded(header, decoder):
    codes = coding.decode(tuple(header["view"]), header["codes"], decoder)
    if "levels" in header:
        codes = level_codes.decode(codes, header["levels"], decoder)
    return Kernel(codes, float(header["scale"]), header.get("draw"))


@contextlib.contextmanager
def _damage(name):
    """Turns the errors that wrong content causes into InputError: Keras, TensorFlow and the coder raise errors of many kinds."""
    try:
        yield
    except InputError:
        raise
    except allowed.Refused as refused:
        raise InputError(f"{name}: {one_line(refused)}") from refused
    except Exception as error:
        raise InputError(f"{name} is damaged: {one_line(error)}") from error


def read(path, most_weights=MOST_WEIGHTS):
    """The Contents of a file; kernels are decoded at their first use. Raises InputError if it is not a .supermask file, is
    damaged, of another version or too large, or describes a model that must not be built."""
    try:
        return parsed(files.expanded(path).read_bytes(), path, most_weights)
    except OSError as error:
        raise InputError(f"cannot read {path} ({error.strerror})") from error


def parsed(content, name, most_weights=MOST_WEIGHTS):
    """The Contents of bytes; `name` is for error messages. Raises InputError as `read` does."""
    most_weights = arguments.bound("most_weights", most_weights)
    start = 5 + CHECKSUM_BYTES
    if content[:4] != MAGIC:
        raise InputError(f"{name} is not a {ENDING} file")
    if len(content) < start or content != sealed(content[4], content[start:]):
        raise InputError(f"{name} is damaged: its checksum does not match")
    if content[4] > VERSION:
        raise InputError(f"{name} is of version {content[4]}, newer than {VERSION}; update tf_supermask")
    if content[4] < OLDEST:
        raise InputError(f"{name} is of version {content[4]}, which is not read any more; export its run again")
    with _damage(name):
        model, headers, rest = opened(content[4], content[start:])
        contents = Contents(name, model, headers, 0, len(content), content[4], rest)
        for kernel_header in contents.headers.values():
            _check_header(kernel_header)
        most = min(most_weights - contents.weights, most_numbers(len(content)))
        contents.numbers, contents.codes = _counted(rest, inflating(content[4]), most)
        if contents.weights > most_weights:
            raise allowed.Refused(f"it holds {contents.weights:,} weights, more than {most_weights:,}")
        check_size(contents.weights, contents.numbers, len(content))
        contents.model = architecture.stripped(contents.model)
        architecture.check(contents.model)
    return contents


def _check_header(header):
    """Raises ValueError if the header of a kernel has no shape or scale, or draws weights of another shape; Refused if it draws
    them with an initializer that is not allowed."""
    shapes = [header["view"]] + ([header["draw"]["shape"]] if "draw" in header else [])
    if len(header["view"]) != 4 or not all(isinstance(n, int) and n > 0 for shape in shapes for n in shape):
        raise ValueError("a kernel without a shape")
    if math.prod(shapes[0]) != math.prod(shapes[-1]) or not math.isfinite(float(header["scale"])):
        raise ValueError("a kernel of another shape than its codes, or without a scale")
    levels = header.get("levels", [1, 1])
    if not 2 <= len(levels) <= 127 or not all(isinstance(n, int) and 0 <= n < 2**31 for n in levels) or not any(levels):
        raise ValueError("levels that no rule has")
    if "draw" in header:
        architecture.check(header["draw"]["initializer"])
        if len(shapes[1]) > _MOST_AXES or slow_draw(header["draw"]["initializer"], shapes[1]):
            raise ValueError(f"weights of the shape {shapes[1][:_MOST_AXES]} that take too long to draw")
    if "own" in header:
        own_weights.length(header["own"])
        if "draw" in header or header["own"][1] > math.prod(shapes[0]):
            raise ValueError("more weights than its kernel has")


def _counted(packed, inflate, most):
    """`(numbers, rest)`: how many float32 numbers there are in a deflated stream, counted without memory for all of them, and the
    bytes that follow it; none if there are more than `most`, where counting stops."""
    count, rest = 0, packed
    while not inflate.eof and count <= 4 * most:
        part = inflate.decompress(rest, 2**20)
        count, rest = count + len(part), inflate.unconsumed_tail
        if not (part or rest or inflate.eof):
            raise ValueError("arrays that end too soon")
    return -(-count // 4), inflate.unused_data


def load(path, most_weights=MOST_WEIGHTS, masked=False, rule="signed", seed=0, threshold=None, density=None):
    """The network in a file as a plain Keras model, or with masks so that training can go on; not compiled.

    Scores, rule and threshold are not stored. With `masked` scores are 2 * threshold * mask, and the kernels equal those of the
    file bit for bit.
    Frozen weights of signed constants are not stored either where they are pruned: their signs are drawn, and their magnitude
    too in a layer that keeps no weight. Layers with drawn weights have `rescale` if the file was written with it. Of weights that
    are neither, those that are pruned are lost: new ones are drawn for them.

    Args:
        most_weights: bound on the number of weights that the file may hold.
        masked: give a mask to each kernel of the file that has one.
        rule: mask rule of these layers, one that does not sample.
        seed: seed of the signs, int >= 0, or None to draw one.
        threshold, density: of these layers: the threshold, by default that of the rule, or the share of weights that remain in
            each, which must be that of the file.

    Raises:
        InputError: see `read`; the seed in the file gives other weights here.
        ValueError: an argument is not of its kind; the rule is unknown, samples, or cannot make the masks of the file.
    """
    masked = arguments.switch("masked", masked)
    masks.rule(rule)
    seed = forms.seed_of(seed)
    contents = read(path, most_weights)
    model = built(contents)
    return remasked(model, contents.kernels, rule, seed, threshold, density) if masked else model


def built(contents):
    """The plain model of Contents. Raises InputError as `load` does."""
    with _damage(contents.name):
        model = architecture.build(contents.model, contents.weights)
        _check_shapes(model, contents)
        rest = contents.arrays
        for layer in model.layers:
            weights = []
            for number, variable in enumerate(layer.weights):
                key = key_of(layer.name, number)
                if key in contents.headers:
                    weights.append(contents.kernels[key].array().reshape(variable.shape))
                    continue
                size = math.prod(variable.shape)
                weights.append(rest[:size].reshape(variable.shape))
                rest = rest[size:]
            cloning.fill(layer, weights)
    return model


def _check_shapes(model, contents):
    """Raises ValueError if a model has other weights than a file, before kernels are decoded."""
    variables = {key_of(layer.name, i): v for layer in model.layers for i, v in enumerate(layer.weights)}
    if not contents.headers.keys() <= variables.keys():
        raise ValueError("kernels of layers that it does not have")
    for name, header in contents.headers.items():
        shape = tuple(variables[name].shape)
        if (
            "draw" in header
            and tuple(header["draw"]["shape"]) != shape
            or math.prod(header["view"]) != math.prod(shape)
        ):
            raise ValueError(f"{name} has another shape than its codes")
    if sum(math.prod(weight.shape) for layer in model.layers for weight in layer.weights) != contents.weights:
        raise ValueError(f"another number of weights than {contents.weights:,}")
