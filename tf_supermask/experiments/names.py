"""Names of the papers' experiments: made and parsed here, and nowhere else.

    koster_table12_conv8_signed_elus       paper _ part of the paper _ network _ variant
    koster_check_conv2_signed_lr.04        part `check`: an ablation, which is in no table or figure of the paper
    zhou_fig7_fcn                          without a variant
    zhou_fig7_fcn/init                     a view: a part of the records of zhou_fig7_fcn
    rivals_density_fcn_rigl_0.1            another method, in the same harness
    rivals_grid_fcn_rigl_0.05              part `grid`: a setting that is tried, on validation images
    zoo_mnist_small16                      a network that comes with the package

A name is that of a flag file and of a folder of records.
"""

import re
from typing import NamedTuple

CHECK, GRID = "check", "grid"
_FORM = re.compile(
    r"(koster|zhou|rivals|zoo)_(appendix_[a-z]|[a-z]+\d*)(?:_([a-z]+\d+(?:_1c|x[\d.]+)?|fcn)(?![^_/]))?(?:_([^/]+))?(?:/(.+))?"
)


class Name(NamedTuple):
    """The parts of a name. `str(name)` joins them."""

    paper: str
    part: str  # table12, fig3, appendix_d, check...
    network: str | None = None
    variant: str | int | None = None
    view: str | None = None

    def __str__(self):
        name = "_".join(str(part) for part in self[:4] if part is not None)
        return name if self.view is None else f"{name}/{self.view}"


def parsed(text):
    """The Name that `text` is, or None, as for a run that is in no row of the papers."""
    match = _FORM.fullmatch(text)
    return match and Name(*match.groups())


def ablation(text):
    """What the ablation that `text` names changes, as conv2_signed_lr.04; None for other experiments."""
    name = parsed(text)
    return None if name is None or name.part != CHECK else "_".join(filter(None, (name.network, name.variant)))


def trial(text):
    """Whether an experiment is a setting that is tried on validation images: only the one that was chosen counts."""
    name = parsed(text)
    return name is not None and name.part == GRID


def unlisted(text):
    """Whether an experiment is in no table or figure of its own: an ablation or a trial."""
    return trial(text) or ablation(text) is not None


def group(text):
    """`text` without its variant, if it is a Name: what a prefix of `run_all.sh` selects."""
    name = parsed(text)
    return text if name is None else str(name._replace(variant=None, view=None))
