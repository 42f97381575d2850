"""The settings of a run against what the papers print."""

import pytest

from tf_supermask.experiments.paper_settings import paper_settings
from tf_supermask.experiments.rival_settings import RIVALS, rival_settings
from tf_supermask.papers.zhou import reported


@pytest.mark.parametrize("net", ["fcn", "conv2", "conv4", "conv6"])
def test_lottery_tickets_have_the_settings_of_table_s1(net):
    _, iterations, rate, _ = reported.SETTINGS[net]
    settings = paper_settings(net, "lottery", "zhou")
    assert settings["iterations"] == iterations and settings["learning_rate"] == pytest.approx(rate)


def test_masks_have_the_thresholds_of_the_paper_and_baselines_have_none():
    """Absolute for FCN and Conv, a share of the largest score for ResNets (Koster et al. 2022, section 3)."""
    for net, absolute, relative in (("conv8", 0.01, None), ("resnet20x1.5", None, 0.75), ("resnet110_1c", None, 0.85)):
        settings = paper_settings(net, "signed")
        assert (settings["threshold"], settings["relative_threshold"]) == (absolute, relative)
        assert "threshold" not in paper_settings(net, "baseline")
    assert paper_settings("resnet56", "signed")["passes"] == 2 and paper_settings("resnet20", "signed")["passes"] == 1


@pytest.mark.parametrize("mode", RIVALS)
def test_decay_of_other_methods_is_that_within_their_loss(mode):
    """Weights that only decay: SGD of L2 within the loss, with momentum, against decoupled decay, after 200 steps."""
    published = {"edge_popup": 1e-4, "mpt": 1e-4, "iterand": 1e-4, "twn": 1e-4, "ttq": 2e-4, "sparse": 5e-4}
    settings = rival_settings(mode)
    weight, velocity = 1.0, 0.0
    for _ in range(200):
        velocity = settings["momentum"] * velocity - settings["learning_rate"] * published.get(mode, 0) * weight
        weight += velocity
    assert (1 - settings["weight_decay"]) ** 200 == pytest.approx(weight, abs=0.05 * (1 - weight) + 1e-12)
