"""What sets the threshold of a layer: a number, a share of its largest score, or a density; one of them."""

from tf_supermask import arguments, masks
from tf_supermask.errors import short


def threshold_of(name, threshold=None, relative_threshold=None, density=None):
    """The absolute threshold of a layer that uses the rule `name`.

    Returns: `threshold`, by default that of the rule; None with `relative_threshold`, which the layer multiplies once it has
    scores, with `density`, of which `density_threshold` makes one at each use, and for a rule that samples.

    Raises:
        ValueError: `threshold` is not a finite number >= 0, `relative_threshold` not a number between 0 and 1, `density` not one
            above 0 and up to 1, two are given, one is given for a rule that has no use for it, or none for a rule that needs one.
    """
    known = masks.rule(name)
    given = {"threshold": threshold, "relative_threshold": relative_threshold, "density": density}
    given = {argument: value for argument, value in given.items() if value is not None}
    received = ", ".join(f"{argument}={short(value)}" for argument, value in given.items())
    if len(given) > 1:
        raise ValueError(f"Give one of `threshold`, `relative_threshold` and `density`. Received: {received}")
    if known.sampled and given:
        raise ValueError(f"Rule {name!r} draws its thresholds. Received: {received}")
    if not known.chooses and given.keys() - {"threshold"}:
        where = "from the callback MaskUpdates: give it the density" if known.given else "by itself"
        raise ValueError(f"Rule {name!r} gets its density {where}. Received: {received}")
    if known.given and threshold not in (None, known.threshold):
        raise ValueError(f"Rule {name!r} has masks that the callback MaskUpdates sets, no threshold. Received: {received}")
    if known.needs_density and not given:
        raise ValueError(f"Rule {name!r} needs `density`, the share of weights to keep, such as density=0.1")
    if density is not None:
        arguments.share("density", density)
    elif relative_threshold is not None:
        arguments.number(
            "relative_threshold", relative_threshold, "a number between 0 and 1", lambda share: 0 < share < 1
        )
    elif not known.sampled:
        return arguments.threshold(known.threshold if threshold is None else threshold)
    return None
