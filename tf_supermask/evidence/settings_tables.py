"""Generated page of docs/ on the networks and on the settings that a run has without further flags."""

import math

import pandas as pd

from tf_supermask.evidence.markup import markdown
from tf_supermask.experiments import choices
from tf_supermask.experiments.paper_settings import ZHOU_NETWORKS
from tf_supermask.experiments.spec import Spec

_FANS = {"kept": ", kept inputs"}
_STAGES = (16, 32, 64)  # channels of the stages of a ResNet of width 1


def page():
    """Markdown of both tables."""
    return f"## Networks\n\n{markdown(networks_table())}\n\n## Settings\n\n{markdown(settings_table())}"


def networks_table():
    """Data frame of text: layers, images, and number of weights of kernels, of each network."""
    rows = []
    for name, widths in choices.NETWORKS.items():
        data = Spec.of(model=name, mode="baseline").dataset
        shape, classes = choices.DATASETS[data], 100 if data == "cifar100" else 10
        rows.append(
            {
                "network": f"`{name}`",
                "layers": _layers(classes=classes, **widths),
                "images": "x".join(map(str, shape)),
                "weights": f"{_weights(shape, classes, widths):,}",
            }
        )
    return pd.DataFrame(rows)


def _weights(shape, classes, widths):
    """Number of weights of a network, which is built of layers that only count."""
    import keras

    from tf_supermask.experiments import networks  # loads TensorFlow

    sizes = []

    def counted(x, of_one, *out):
        sizes.append(math.prod((of_one, x.shape[-1], out[-1])))
        return keras.KerasTensor((None, *out))

    def conv(filters, size, strides=1, padding="same", name=None):
        return lambda x: counted(x, size**2, *(-(-side // strides) for side in x.shape[1:3]), filters)

    def dense(units, name=None):
        return lambda x: counted(x, 1, units)

    make = networks.Layers(dense, conv, lambda name: lambda x: x, "relu")
    build = networks.resnet if "blocks" in widths else networks.stack
    build(keras.Input(shape), classes, make, **widths)
    return sum(sizes)


def _layers(classes, convs=(), hidden=(), repeat=2, padding="same", blocks="", width=1.0):
    if blocks:
        channels = ", ".join(str(int(stage * width)) for stage in _STAGES)
        return f"convolution {int(_STAGES[0] * width)}; 3 stages of {blocks} with {channels} channels; mean; dense {classes}"
    pooled = [", ".join([*[str(filters)] * repeat, "pool"]) for filters in convs]
    dense = ", ".join(map(str, (*hidden, classes)))
    return "; ".join([*[f"convolutions {', '.join(pooled)}"] * bool(convs), f"dense {dense}"])


def settings_table():
    """Data frame of text: what `Spec.of` gives for each network with each kind of mode, and for each rival on FCN."""
    kinds = [{"mode": "baseline"}, {"mode": "signed"}]
    cases = [{"model": model} | kind for model in choices.NETWORKS for kind in kinds]
    cases += [{"model": model, "mode": mode} for model in ZHOU_NETWORKS for mode in ("lottery", "bernoulli")]
    rivals = [{"mode": mode, "density": 0.1} for mode in choices.DENSITY] + [{"mode": mode} for mode in choices.LATENT]
    rivals += [{"mode": choices.SPARSE, "method": method, "density": 0.1} for method in choices.METHODS]
    cases += [{"model": "fcn"} | rival for rival in rivals]
    return pd.DataFrame(_settings(Spec.of(**case)) for case in cases)


def _settings(spec):
    return {
        "model": f"`{spec.model}`",
        "mode": f"`{spec.mode}`" + (f", {spec.method}" if spec.method else ""),
        "data": spec.dataset,
        "epochs": f"{spec.iterations:,} iterations" if spec.iterations else str(spec.epochs),
        "batch": str(spec.batch_size),
        "optimizer": f"{spec.optimizer}{', Nesterov' * bool(spec.nesterov)}",
        "rate": f"{spec.learning_rate:g}",
        "decay": f"{spec.weight_decay:g}",
        "schedule": spec.schedule,
        "clipped at": f"{spec.clipnorm:g}" if spec.clipnorm else "-",
        "weights": f"{spec.weight_scheme}, {spec.weight_distribution}".replace("_", " ") + _FANS.get(spec.weight_fan, ""),
        "scores": f"{spec.score_scheme}, {spec.score_distribution}" if spec.score_scheme else "-",
        "limit": _limit(spec),
    }


def _limit(spec):
    """What decides which scores keep their weights."""
    limits = {"threshold": spec.threshold, "relative threshold": spec.relative_threshold, "density": spec.density}
    return next((name if name == "density" else f"{name} {value:g}" for name, value in limits.items() if value is not None), "-")
