"""Conditions of the fields of a Spec: values by field name -> whether a run reads the field."""

from tf_supermask.errors import InputError
from tf_supermask.experiments import choices
from tf_supermask.experiments.choices import DENSITY, LATENT, LEARNED, MOVED, PRUNED, SPARSE, UPDATED

LIMITS = ("threshold", "relative_threshold", "density")  # which scores are kept: one of them


def equals(name, value):
    return lambda spec: spec[name] == value


plateau = equals("schedule", "plateau")
sparse = equals("mode", SPARSE)


def _masked(spec):
    """Mask rules, but for those of Zhou et al. 2019."""
    return spec["mode"] in choices.rules() and not learned(spec)


def learned(spec):
    """Masks of Zhou et al. 2019, whose scores start at one value."""
    return spec["mode"] in LEARNED


def scored(spec):
    """Masks whose scores start at random: those of Koster et al. 2022, and others of frozen weights."""
    return _masked(spec) and not sparse(spec) and spec["mode"] not in LATENT


def shrinks(spec):
    """Networks whose dead units stay dead: without biases, each mask of its own score alone, an optimizer that leaves them so."""
    bound = scored(spec) and spec["mode"] not in DENSITY and spec["density"] is None
    return bound and spec["optimizer"] == "sgd" and not choices.VARIANTS[spec["dialect"]][1]


# ---------------------------------------------------------------------------------------------------------------------
# Which weights remain


def _free(spec, limit):
    """Whether no other limit than this one is given."""
    return all(spec[other] is None for other in LIMITS if other != limit)


def threshold(spec):
    fixed = sparse(spec) or spec["mode"] in (*DENSITY, *choices.BINARY)
    return _masked(spec) and not fixed and _free(spec, "threshold")


def relative_threshold(spec):
    return scored(spec) and spec["mode"] not in DENSITY and _free(spec, "relative_threshold")


def density(spec):
    return (scored(spec) or sparse(spec)) and spec["mode"] not in choices.LEVELS and _free(spec, "density")


def weight_fan(spec):
    """Frozen weights of which every layer keeps a share that is set; with one threshold for all layers no share is known."""
    return scored(spec) and (spec["density"] is not None or spec["mode"] in DENSITY) and spec["allocation"] != "global"


def density_is_optional(spec):
    return not sparse(spec) and spec["mode"] not in DENSITY


def allocation(spec):
    return bool(choices.allocations(spec["mode"], spec["method"]))


def check_combinations(spec):
    """Raises InputError where the method cannot share its density as the values say, or has no epochs for its schedule."""
    if spec["schedule"] == "cosine" and iterations(spec):
        raise InputError(f"--schedule=cosine falls from epoch to epoch, --mode={spec['mode']} has none; choose another")
    allowed = choices.allocations(spec["mode"], spec["method"])
    if allowed and spec["allocation"] not in allowed:
        method = f"--method={spec['method']}" if sparse(spec) else f"--mode={spec['mode']}"
        raise InputError(
            f"--allocation={spec['allocation']} does not go with {method}; choose from {', '.join(allowed)}"
        )


def updated(spec):
    return spec["mode"] == "iterand" or sparse(spec) and spec["method"] in UPDATED


def moved(spec):
    return spec["mode"] == "iterand" or sparse(spec) and spec["method"] in MOVED


# ---------------------------------------------------------------------------------------------------------------------
# How long


def epochs(spec):
    return not iterations(spec)


def iterations(spec):
    return spec["mode"] in (*PRUNED, *LEARNED)


def rounds(spec):
    return spec["mode"] in PRUNED


def levels(spec):
    return rounds(spec) and spec["rounds"] != 0


def chain(spec):
    return spec["mode"] == "lottery" and spec["rounds"] != 0


# Conditions of the fields that decide how a trained network is pruned, not how it is trained.
PRUNING = (levels, chain)


def always(spec):
    return True
