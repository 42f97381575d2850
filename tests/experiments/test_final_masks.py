"""A container with its record gives the same masks and variables as the trained model."""

import keras
import numpy as np
import pytest
from conftest import ROOT

from tf_supermask import sparsity
from tf_supermask.errors import InputError
from tf_supermask.experiments import final_masks, layer_rows, networks, records, runs, training
from tf_supermask.experiments.spec import Spec


@pytest.mark.parametrize(
    "settings",
    [
        {"mode": "binary"},
        {"mode": "rounded"},
        {"mode": "signed_2_levels"},
        {"mode": "signed_4_levels", "weight_distribution": "uniform"},
        {"weight_distribution": "uniform", "weight_scheme": "he"},
        {"model": "resnet20", "batch_norm": "trainable"},
    ],
)
def test_a_container_and_its_record_give_the_masks_and_all_other_variables(tiny, tmp_path, settings):
    run, spec, draw = records.Run(tmp_path, "x", 0), Spec.of(**settings), np.random.default_rng(0)
    model = networks.build(spec, tiny.input_shape, tiny.classes)
    for layer in model.layers:  # as if trained
        for variable in layer.weights if isinstance(layer, keras.layers.BatchNormalization) else ():
            variable.assign(draw.uniform(0.5, 2, variable.shape))
    made = dict(initial={}, history={}, final={}, layers=layer_rows.of_model(model), environment={})
    record = training.finish(run, spec, tiny, model, **made, arrays=networks.snapshot(model))
    assert run.container.exists() and not run.final.exists()
    expected = {layer.name: layer.mask for layer in sparsity.masked_layers(model)}
    masks = final_masks.masks_of(run, record)
    assert list(masks) == sorted(expected)
    for name, mask in masks.items():
        np.testing.assert_array_equal(mask, expected[name])
    before, after = networks.snapshot(model), networks.snapshot(runs.rebuild(spec, record, run))
    assert before.keys() == after.keys()
    for name, array in before.items():
        np.testing.assert_array_equal(array, after[name])


def test_a_container_of_another_run_is_refused(tmp_path):
    run, record = runs.find_run(ROOT / "results" / "koster_table1_fcn_signed_elus" / "seed0")
    record["spec"]["seed"] = 1
    with pytest.raises(InputError, match="do not give one mask of fc1"):
        final_masks.masks_of(run, record)


def test_committed_masks_are_those_of_their_records():
    run, record = runs.find_run(ROOT / "results" / "koster_fig3_fcn_binary" / "seed0")
    masks = final_masks.masks_of(run, record)
    for layer in record["layers"]:
        assert sparsity.counts(masks[layer["name"]]) == layer["counts"]


def test_files_of_masks_of_earlier_versions_are_read(tmp_path):
    run = records.Run(tmp_path, "x", 0)
    run.final.parent.mkdir()
    records.save_arrays(run.final, {"out/mask": np.eye(2, dtype=np.int8), "norm/beta": np.zeros(2)})
    masks = final_masks.masks_of(run, {"spec": {"mode": "signed"}})
    assert list(masks) == ["out"] and np.array_equal(masks["out"], np.eye(2))
