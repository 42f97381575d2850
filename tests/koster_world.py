"""A made-up world in which all claims of Koster et al. hold: the paper's printed numbers, and what it shows as graphics."""

import functools

import numpy as np
from made_up import mask

from tf_supermask.papers.koster import reported as koster_reported
from tf_supermask.papers.koster.names import (
    BINARY,
    CONVS,
    NETS,
    WIDTHS,
    baseline,
    elus_scores,
    resnet,
    signed,
    sinn,
    uniform,
)
from tf_supermask.papers.rivals import names as rivals
from tf_supermask.papers.zhou import names as zhou

SCHEMES = ("he", "elus", "xavier")


def conv_shapes(net):
    """The layers of a Conv network."""
    filters = [64, 64, 128, 128, 256, 256, 512, 512][: int(net[-1])]
    shapes = {f"conv{i + 1}": (3, 3, before, now) for i, (before, now) in enumerate(zip([3, *filters], filters))}
    pixels = (32 // 2 ** (len(filters) // 2)) ** 2
    return shapes | {"fc1": (pixels * filters[-1], 256), "fc2": (256, 256), "out": (256, 10)}


def conv_layers(net, scheme):
    """The largest layer is pruned most, the first least; He and Xavier prune the output less."""
    shapes = conv_shapes(net)
    largest = max(shapes, key=lambda name: np.prod(shapes[name]))
    left = dict.fromkeys(shapes, 0.02) | {largest: 0.004, "conv1": 0.7, "out": 0.3 if scheme == "elus" else 0.95}
    return {name: (shape, left[name]) for name, shape in shapes.items()}


def conv_masks(net, scheme):
    """Runs agree on more of a layer, the larger it is; signs alone differ in the output of He and Xavier."""
    shapes = conv_shapes(net)
    order = sorted(shapes, key=lambda name: np.prod(shapes[name]))
    make = {name: mask(30, 10, 2 * place, weights=3) for place, name in enumerate(order)}
    make["out"] = mask(30, 10, 2, signs=scheme != "elus")
    return lambda seed: {name: make[name](seed) for name in shapes}


def first_layer(masked, spread):
    """Function of a seed that makes FCN's first mask: so many inputs are masked by all runs, those of the frame first; 500 of the
    others keep one weight each, at one of so many places."""
    inner = np.zeros((28, 28), bool)
    inner[2:-2, 2:-2] = True
    active = np.argsort(~inner.ravel(), kind="stable")[: 784 - masked]

    @functools.cache
    def make(seed):
        its = np.zeros((784, 10), np.int8)
        chosen = active[(np.arange(500) + 13 * seed) % len(active)]
        its[chosen, (chosen + seed) % spread] = 1
        return its

    return make


def fcn_masks(scheme, fc1=first_layer(284, 7)):
    out = mask(30, 10, 0, signs=scheme != "elus")
    return lambda seed: {"fc1": fc1(seed), "fc2": mask(30, 10, 8)(seed), "out": out(seed)}


def fcn_layers(out):
    return {"fc1": ((784, 300), 0.03), "fc2": ((300, 100), 0.1), "out": ((100, 10), out)}


def resnet_layers(net):
    weights = dict(zip(WIDTHS, (248624, 558600, 992352, 1549880, 2231184)))[net]  # Table 4
    sizes = {"conv000": 432, "conv001": 256, "conv008": 512, "conv015": 2048, "out": 640}
    sizes["conv020"] = weights - sum(sizes.values())
    order = sorted(sizes, key=sizes.get)
    return {name: ((sizes[name],), 0.6 - 0.1 * order.index(name)) for name in sorted(sizes)}


def history(left, start, half=1):
    """30 epochs: accuracy passes 25 % in epoch `start`, half of the weights are gone after epoch `half`."""
    accuracy = [10.0] * (start - 1) + [60.0] * (31 - start)
    return {"remaining": [60.0] * (half - 1) + [20.0] + [left] * (30 - half), "test_accuracy": accuracy}


STARTS = {"fcn": 1, "conv2": 1, "conv4": 2, "conv6": 3, "conv8": 4}


def world():
    """Every experiment that a claim is on, with the paper's numbers; what it shows as graphics only is made up."""
    made = {name: {} for name in koster_reported.PAPER}
    for name, measures in koster_reported.PAPER.items():
        for measure in {"test_accuracy", "remaining", "csr_compression"} & measures.keys():
            mean, *ends = measures[measure]
            made[name][measure] = (mean, ends[1] - ends[0]) if ends else mean

    def add(name, **entries):
        """What the paper prints stays."""
        made[name] = entries | made.get(name, {})

    _usual_settings(made, add)
    _appendices(made, add)
    _other_methods(add)
    for net in WIDTHS:
        add(resnet(net), layers=resnet_layers(net), seconds=1.1)
        add(resnet(net, "baseline"), layers=resnet_layers(net))
    return made


def _usual_settings(made, add):
    for scheme in SCHEMES:
        out = 0.7 if scheme == "elus" else 0.99
        add(signed("fcn", scheme), layers=fcn_layers(out), masks=fcn_masks(scheme))
        for net in CONVS:
            masks, layers = conv_masks(net, scheme), conv_layers(net, scheme)
            add(signed(net, scheme), masks=masks, layers=layers, remaining=2.5)
    for net in NETS:
        left = made[signed(net)]["remaining"][0]
        add(signed(net), seconds=1.06, history=history(left, STARTS[net]))
    add(signed("fcn"), data={"input_shape": [28, 28, 1]}, spec={"learning_rate": 0.05, "weight_decay": 5e-4})
    add(BINARY, masks=fcn_masks("elus", first_layer(144, 8)))


def _appendices(made, add):
    made[uniform("fcn")] |= {"test_accuracy": (96.77, 0.8), "remaining": (4.95, 2.0)}  # D
    for net, accuracy in zip(CONVS, ((65.0, 3.0), (75.92, 1.8), (78.42, 1.7), (78.92, 3.2))):
        add(uniform(net), test_accuracy=accuracy, remaining=2.6)
    made[elus_scores("fcn")]["test_accuracy"] = (97.36, 0.4)  # E
    for net in NETS:
        (mean, width), left = made[signed(net)]["test_accuracy"], made[signed(net)]["remaining"][0]
        add(elus_scores(net), remaining=left + 0.1, history=history(left, STARTS[net] + 3, half=4))
        add(elus_scores(net), test_accuracy=(mean + (net == "conv6"), width))
    add(
        sinn("fcn", 2), test_accuracy=(97.0, 0.4), remaining=1.8, spec={"learning_rate": 0.008, "weight_decay": 3e-4}
    )  # F
    add(sinn("fcn", 1), test_accuracy=(96.5, 0.4), spec={"learning_rate": 0.01, "weight_decay": 5e-4})
    for net in CONVS:
        layers, total = conv_layers(net, "elus"), sum(np.prod(shape) for shape in conv_shapes(net).values())
        accuracy = made[baseline(net)]["test_accuracy"][0]
        for number, part, share, less in ((2, 100 * 14000 / total, 0.3, 0.5), (1, 0.25, 0.2, 3.0)):
            its = layers | {"conv1": (layers["conv1"][0], share)}
            add(sinn(net, number), test_accuracy=(accuracy - less, 1.0), remaining=part, layers=its)


def _other_methods(add):
    """Trained here, where the claims on them hold, too."""
    add(zhou.learned("fcn", "rescaled_constant_epochs"), test_accuracy=98.0, remaining=11.0)
    for name, accuracy in (
        (rivals.own("conv2", "signed"), 68.4),
        (zhou.learned("conv2", "rescaled_constant_epochs"), 66.0),
        (rivals.at_density("conv2", "edge_popup", "0.1"), 65.0),
        (rivals.at_density("conv2", "mpt", "0.1"), 70.0),
    ):
        add(name, test_accuracy=accuracy)


WORLD = world()


# ---------------------------------------------------------------------------------------------------------------------
# Changes of it: experiment -> what differs


def less(experiment, by, measure="test_accuracy"):
    """A change: the mean of a measure is less."""
    value = WORLD[experiment][measure]
    mean, width = value if isinstance(value, tuple) else (value, 0.01)
    return {experiment: {measure: (mean - by, width)}}


def width(experiment, points, measure="test_accuracy"):
    """A change: the 5-95 % interval of a measure is so wide."""
    value = WORLD[experiment][measure]
    return {experiment: {measure: (value[0] if isinstance(value, tuple) else value, points)}}


def left(experiment, **shares):
    """A change: other shares of layers remain."""
    return {experiment: {"layers": {name: (WORLD[experiment]["layers"][name][0], s) for name, s in shares.items()}}}


def masked(experiment, **makers):
    """A change: other masks of layers."""
    before = WORLD[experiment]["masks"]
    return {experiment: {"masks": lambda seed: before(seed) | {name: make(seed) for name, make in makers.items()}}}


def flat(inputs=30, units=10):
    """A mask that is the same in all runs."""
    return lambda seed: np.eye(inputs, units, dtype=np.int8)
