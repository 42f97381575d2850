"""Jobs: their dense runs, data and cost."""

import dataclasses

import pytest
from absl import flags

from tf_supermask import train
from tf_supermask.errors import InputError
from tf_supermask.experiments import flag_files, lottery, training
from tf_supermask.experiments.spec import Spec
from tf_supermask.scheduling import jobs


def test_a_chain_begins_with_the_dense_run_of_its_row(tmp_path):
    spec = Spec.of(mode="lottery", seed=3)
    job = jobs.job_of("zhou_fig3_fcn_large_final", spec, tmp_path)
    dense = jobs.dense_job(job)
    assert dense.name == "zhou_dense_fcn, seed 3" and dense.spec == lottery.dense_spec(spec)
    assert jobs.dense_job(dense) is None and jobs.job_of("x", Spec.of(), tmp_path).dense is None


@pytest.mark.parametrize("mode, flag", [("lottery", "--criterion=random"), ("supermask", "--rounds=2")])
def test_chains_of_a_list_begin_with_dense_runs_of_their_own(tmp_path, mode, flag):
    def described(*arguments):
        values = flags.FlagValues()
        flag_files.define_flags(values)
        values(["command", "--dataset=digits", "--learning_rate=.001,.002", *arguments])
        return flag_files.described(values)

    chains = described(f"--mode={mode}", flag, "--experiment=x")
    dense = [jobs.dense_job(job) for job in train.jobs_of(chains, tmp_path)]
    assert [job.run.experiment for job in dense] == ["fcn_dense_digits_.001", "fcn_dense_digits_.002"]
    alone = described("--mode=lottery", "--rounds=0")
    assert [(job.run.experiment, job.spec) for job in dense] == [(its.name, its.specs[0]) for its in alone]


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
        jobs.train(
            jobs.job_of("one", spec, tmp_path), lambda *key: dataset, training.Options(progress=0, jit_compile=False)
        )

    train(0, tiny)
    other = dataclasses.replace(tiny, train_labels=(tiny.train_labels + 1) % tiny.classes)
    with pytest.raises(
        InputError, match="one/seed0.json was made with other images or labels than the data set has now; give"
    ):
        train(1, other)
    train(1, tiny)
    (tmp_path / "one" / "seed0.json").write_text("damaged")
    (tmp_path / "one" / "seed1.json").unlink()
    train(1, other)
