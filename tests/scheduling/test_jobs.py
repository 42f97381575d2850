"""Jobs: their dense runs, data and cost."""

import dataclasses

import pytest

from tf_supermask.errors import InputError
from tf_supermask.experiments import lottery, training
from tf_supermask.experiments.spec import Spec
from tf_supermask.scheduling import jobs


def test_a_chain_begins_with_the_dense_run_of_its_row(tmp_path):
    spec = Spec.of(mode="lottery", seed=3)
    job = jobs.job_of("zhou_fig3_fcn_large_final", spec, tmp_path)
    dense = jobs.dense_job(job)
    assert dense.name == "zhou_dense_fcn, seed 3" and dense.spec == lottery.dense_spec(spec)
    assert jobs.dense_job(dense) is None and jobs.job_of("x", Spec.of(), tmp_path).dense is None


@pytest.mark.parametrize(
    "given, expected",
    [
        ({}, ("mnist", (28, 28, 1), None)),
        ({"model": "conv2"}, ("cifar10", (32, 32, 3), None)),
        ({"dataset": "digits8"}, ("digits8", (8, 8, 1), None)),
    ],
)
def test_the_data_of_a_run(given, expected):
    assert jobs.dataset_key(Spec.of(**given)) == expected


def test_cost_follows_the_multiplications():
    """An FCN has 784 * 300 + 300 * 100 + 100 * 10 multiplications; of digits there are 1,437 training images."""
    spec = Spec.of(dataset="digits", epochs=7, model="fcn")
    shape = jobs.shape_of(spec)
    inputs = shape[0] * shape[1] * shape[2]
    assert jobs.cost(spec) - 2e11 == (inputs * 300 + 300 * 100 + 100 * 10) * 1437 * 7 * spec.passes


def test_runs_of_an_experiment_see_the_same_images(tiny, tmp_path):
    def train(seed, dataset):
        spec = Spec.of(model="fcn", epochs=1, batch_size=16, seed=seed)
        jobs.train(jobs.job_of("one", spec, tmp_path), lambda *key: dataset, training.Options(progress=0, jit_compile=False))

    train(0, tiny)
    other = dataclasses.replace(tiny, train_labels=(tiny.train_labels + 1) % tiny.classes)
    with pytest.raises(InputError, match="one/seed0.json was made with other images or labels than the data set has now; give"):
        train(1, other)
    train(1, tiny)
    (tmp_path / "one" / "seed0.json").write_text("damaged")
    (tmp_path / "one" / "seed1.json").unlink()
    train(1, other)
