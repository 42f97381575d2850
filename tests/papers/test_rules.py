"""The page that compares mask rules: flag files, and made-up records."""

import dataclasses
import json

import numpy as np
import pytest
from conftest import ROOT
from made_up import MadeUp

from tf_supermask.evidence import pages
from tf_supermask.experiments import flag_files
from tf_supermask.papers.rivals import rules

LAYERS = {"fc1": ((10, 10), 0.1)}
SIZES = "experiment,seed,sha256,version,container_bytes,macs,compact_macs\n"


def specs(net, rule):
    (experiment,) = flag_files.read(ROOT / "flags" / f"{rules.experiments(net)[rule]}.flags")
    return experiment.specs


@pytest.fixture(autouse=True)
def in_the_project(monkeypatch):
    monkeypatch.chdir(ROOT)


@pytest.mark.parametrize("net", rules.NETS)
def test_rules_of_a_network_differ_in_the_rule_alone(net):
    signed, *others = (specs(net, rule)[0] for rule in rules.RULES)
    assert [spec.mode for spec in others] == ["signed", "signed_2_levels", "signed_4_levels"]
    for spec in others:
        given = {name: getattr(spec, name) for name in ("mode", "threshold", "density", "shrink", "weight_fan")}
        assert dataclasses.replace(signed, **given) == spec
    assert {len(specs(net, rule)) for rule in rules.RULES if rules.experiments(net)[rule] != rules.LEARNED[net]} == {
        3 if net == "fcn" else 1
    }


@pytest.mark.parametrize("net", rules.NETS)
def test_the_density_is_that_which_signed_learned(net):
    paths = (ROOT / "results" / rules.LEARNED[net]).glob("seed*.json")
    remaining = [json.loads(path.read_text())["final"]["remaining"] for path in paths]
    assert specs(net, "signed_topk")[0].density == pytest.approx(np.mean(remaining) / 100, abs=5e-5)


def test_shorter_runs_decay_as_much():
    short = specs("conv2", "signed")[0]
    whole = flag_files.read("flags/koster_table12_conv2_signed_elus.flags")[0].specs[0]
    assert short.epochs < whole.epochs
    assert short.epochs * short.weight_decay == pytest.approx(whole.epochs * whole.weight_decay, rel=0.01)
    assert short.decay_steps / short.epochs == whole.decay_steps / whole.epochs


def evidence(*left_out):
    made = {
        "signed": {"test_accuracy": (97.0, 0.1), "remaining": 4.0, "csr_compression": 90.0, "layers": LAYERS},
        "signed_topk": {"test_accuracy": (96.0, 0.3), "spec": {"density": 0.04}},
        "signed_4_levels": {"test_accuracy": (97.5, 0.2), "remaining": 8.0},
    }
    its = {rules.experiments("fcn")[rule]: made["signed"] | made[rule] for rule in made if rule not in left_out}
    found = MadeUp(its, runs=3)
    if "signed" not in left_out:  # more runs of signed than of others
        found.experiments[rules.LEARNED["fcn"]] = MadeUp(its, runs=9).experiments[rules.LEARNED["fcn"]]
    return found


def test_rules_are_compared_on_the_same_seeds(tmp_path):
    sizes, names = tmp_path / "sizes.csv", rules.experiments("fcn")
    lines = [f"{names['signed']},{seed},x,5,{400 if seed < 3 else 9999},9,9" for seed in range(9)]
    sizes.write_text(SIZES + "\n".join([*lines, *(f"{names['signed_4_levels']},{seed},x,5,600,9,9" for seed in range(3))]))
    runs = rules.compared("fcn", evidence())
    signed, topk, levels = rules.table("fcn", runs, sizes).to_dict("records")
    assert [line["n"] for line in (signed, topk, levels)] == ["3", "3", "3"]
    assert (signed["rule"], topk["density set, %"], levels["density set, %"]) == ("signed", "4", "-")
    assert (signed["bytes of the container"], levels["bytes of the container"]) == ("400", "600")
    text = rules.finding("fcn", runs, sizes)
    assert text.startswith("Against `signed`, 97.00 % in 400 bytes: signed top-k -1.00 points (paired p ")
    assert "four levels +0.50 points" in text and "2.00 times the weights and 1.50 times the bytes." in text


@pytest.mark.parametrize("left_out", [("signed",), ("signed_topk", "signed_4_levels")])
def test_nothing_is_compared_without_two_rules(left_out):
    assert rules.compared("fcn", evidence(*left_out)) == {}


def test_the_page():
    empty = rules.page(pages.Source({}, set(), {"paper": MadeUp({})}))
    assert empty.startswith("No records of images yet.\n\n## Sequences")
    text = rules.page(pages.Source({}, set(), {"paper": evidence()}))
    assert text.startswith("## FCN on MNIST, paper scale\n") and "| four levels | - | 3 |" in text
