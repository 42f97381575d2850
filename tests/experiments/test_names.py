"""Names of experiments, made and parsed: one is the inverse of the other."""

import pytest
from conftest import ROOT

from tf_supermask.experiments import flag_files, names
from tf_supermask.experiments.names import Name
from tf_supermask.papers import catalogue


@pytest.mark.parametrize(
    "text, name",
    [
        ("koster_table12_conv8_signed_elus", Name("koster", "table12", "conv8", "signed_elus")),
        ("koster_appendix_d_fcn_he_uniform", Name("koster", "appendix_d", "fcn", "he_uniform")),
        ("koster_table4_resnet20x1.5_baseline", Name("koster", "table4", "resnet20x1.5", "baseline")),
        ("koster_check_conv2_signed_lr.04", Name("koster", "check", "conv2", "signed_lr.04")),
        ("koster_check_new", Name("koster", "check", None, "new")),
        ("koster_check_fcn2x", Name("koster", "check", None, "fcn2x")),
        ("zhou_fig7_conv2", Name("zhou", "fig7", "conv2")),
        ("zhou_fig7_conv2/init", Name("zhou", "fig7", "conv2", view="init")),
        ("zhou_learned_fcn_-5", Name("zhou", "learned", "fcn", "-5")),
    ],
)
def test_the_parts_of_a_name(text, name):
    assert names.parsed(text) == name and str(name) == text


@pytest.mark.parametrize("text", ["conv8_signed_cifar10", "mine", "koster", "lu_table1_fcn_signed"])
def test_other_names_have_no_parts(text):
    assert names.parsed(text) is None and names.ablation(text) is None and names.group(text) == text


def test_every_experiment_of_the_papers_has_a_name_that_is_made_again():
    rows = [experiment.name for experiment in flag_files.read_all(flag_files.rows(ROOT / "flags"), ["--seeds=0"])]
    recorded = [path.name for path in (ROOT / "results").iterdir() if path.name.startswith(("koster", "zhou"))]
    everything = {*rows, *recorded, *catalogue.in_tables(), *catalogue.shown()}
    assert len(everything) > 150 and not [text for text in everything if str(names.parsed(text)) != text]


def test_ablations_and_groups():
    assert names.ablation("koster_check_conv2_signed_lr.04") == "conv2_signed_lr.04"
    assert names.ablation("koster_check_new") == "new"
    assert names.ablation("koster_table1_fcn_signed_he") is None
    assert names.group("koster_appendix_d_fcn_he_uniform") == "koster_appendix_d_fcn"
    assert names.group("zhou_learned_fcn/best") == "zhou_learned_fcn"
