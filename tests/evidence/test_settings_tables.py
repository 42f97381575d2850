"""The page of networks and settings, against the papers' counts and some of their values."""

import pytest

from tf_supermask.evidence import settings_tables
from tf_supermask.experiments import choices

# Zhou et al. 2019 Table S1, Koster et al. 2022 Tables 4, 5 and 7
WEIGHTS = {
    "fcn": "266,200", "conv2": "4,300,992", "conv4": "2,425,024", "conv6": "2,261,184", "conv8": "5,275,840",
    "resnet20": "248,624", "resnet56": "834,992", "resnet110": "1,668,272", "resnet110_1c": "1,705,904",
}  # fmt: skip


def test_networks_have_the_weights_of_the_papers():
    rows = {row["network"].strip("`"): row for row in settings_tables.networks_table().to_dict("records")}
    assert set(rows) == set(choices.NETWORKS)
    assert {name: rows[name]["weights"] for name in WEIGHTS} == WEIGHTS
    assert rows["fcn"]["layers"] == "dense 300, 100, 10" and rows["fcn"]["images"] == "28x28x1"
    assert rows["conv4"]["layers"] == "convolutions 64, 64, pool, 128, 128, pool; dense 256, 256, 10"
    assert rows["resnet20x1.5"]["layers"].startswith("convolution 24; 3 stages of CII with 24, 48, 96 channels")


@pytest.mark.parametrize(
    "model, mode, expected",
    [
        ("fcn", "signed", {"epochs": "100", "rate": "0.05", "decay": "0.0005", "clipped at": "-", "limit": "threshold 0.01"}),
        ("conv8", "signed", {"data": "cifar10", "clipped at": "0.5", "optimizer": "sgd, Nesterov", "schedule": "staircase"}),
        ("resnet56", "signed", {"data": "cifar100", "limit": "relative threshold 0.85"}),
        ("fcn", "lottery", {"epochs": "50,000 iterations", "batch": "60", "optimizer": "adam", "scores": "-"}),
        ("fcn", "mpt", {"weights": "he, normal, kept inputs", "limit": "density", "optimizer": "sgd"}),
    ],
)
def test_settings_are_those_of_the_papers(model, mode, expected):
    rows = settings_tables.settings_table().to_dict("records")
    (row,) = (row for row in rows if (row["model"], row["mode"]) == (f"`{model}`", f"`{mode}`"))
    assert {column: row[column] for column in expected} == expected


def test_every_mode_of_training_and_method_has_a_row():
    modes = {row["mode"] for row in settings_tables.settings_table().to_dict("records")}
    assert {f"`{mode}`" for mode in (*choices.DENSITY, *choices.LATENT)} <= modes
    assert {f"`sparse`, {method}" for method in choices.METHODS} <= modes
