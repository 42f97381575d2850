import dataclasses
import pathlib

import pytest
from absl import flags
from conftest import ROOT

from tf_supermask.errors import InputError
from tf_supermask.experiments import flag_files
from tf_supermask.experiments.spec import Spec

ROWS = flag_files.rows(ROOT / "flags")


@pytest.fixture(autouse=True)
def in_the_project(monkeypatch):
    monkeypatch.chdir(ROOT)


@pytest.mark.parametrize("scale, seeds", [("paper", {50, 5, 3, 1}), ("reduced", {3}), ("quick", {1})])
def test_every_row_is_an_experiment_at_every_scale(scale, seeds):
    further = [f"--flagfile=flags/_{scale}.flags"]
    found = flag_files.read_all(ROWS, further)
    for path in ROWS:  # a row of a list gives several, with their value added
        names, row = [its.name for its in flag_files.read(path, further)], path.split("/")[-1].removesuffix(".flags")
        assert names == [row] if len(names) == 1 else all(name.startswith(f"{row}_") for name in names)
    assert {len(experiment.specs) for experiment in found} == seeds
    assert {spec.scale for experiment in found for spec in experiment.specs} == {scale}
    assert all(len(experiment.about) > 20 for experiment in found)


def test_no_two_rows_train_the_same_run():
    specs = [experiment.specs[0] for experiment in flag_files.read_all(ROWS, ["--seeds=0"])]
    assert len(set(specs)) == len(specs)


def test_a_run_with_the_settings_of_a_row_has_its_name():
    assert flag_files.row_of(Spec.of(model="conv8", mode="signed", seed=9)) == "koster_table12_conv8_signed_elus"
    assert flag_files.row_of(Spec.of(model="fcn", epochs=7)) is None
    sparse = [Spec.of(mode="sparse", density=0.3, dataset="digits8", method=method) for method in ("static", "snip")]
    assert list(map(flag_files.name_of, sparse)) == ["fcn_sparse_static_digits8", "fcn_sparse_snip_digits8"]


@pytest.mark.parametrize(
    "lines, message",
    [
        ("--model=fcn\n--sparsity=0.9", "sparsity"),
        ("--model=fcn\n--epochs=0\n--experiment=x", "--epochs must be at least 1, not 0"),
    ],
)
def test_a_bad_row_is_named(tmp_path, lines, message):
    path = tmp_path / "bad.flags"
    path.write_text(f"# bad\n{lines}\n")
    with pytest.raises(InputError, match="bad.flags: ") as error:
        flag_files.read(path)
    assert message in str(error.value)


def test_no_row_repeats_its_name():
    assert not [path for path in ROWS if "--experiment=" in pathlib.Path(path).read_text()]


def test_the_name_of_the_file_is_the_name_of_the_experiment(tmp_path):
    path = tmp_path / "my_run.v2.flags"
    path.write_text("# x\n--model=fcn\n")
    assert [experiment.name for experiment in flag_files.read(path)] == ["my_run.v2"]
    assert [experiment.name for experiment in flag_files.read(path, ["--experiment=other"])] == ["other"]
    path.write_text("# x\n--model=fcn\n--experiment=own\n")
    assert [experiment.name for experiment in flag_files.read(path)] == ["own"]


ROW = f"--flagfile={ROOT}/flags/koster_check_conv2_signed_lr.04.flags"


@pytest.mark.parametrize(
    "arguments, name",
    [
        ([ROW], "koster_check_conv2_signed_lr.04"),
        ([ROW, "--epochs=3"], "koster_check_conv2_signed_lr.04"),  # with other settings, too
        (["--flagfile", "../flags/koster_table1_fcn_signed_he.flags"], "koster_table1_fcn_signed_he"),
        ([ROW, f"--flagfile={ROOT}/flags/_quick.flags"], "koster_check_conv2_signed_lr.04"),
        ([ROW, "--flagfile=jobs.flags"], "koster_check_conv2_signed_lr.04"),
        (["--flagfile=jobs.flags", "--model=conv4"], "koster_table12_conv4_signed_elus"),  # that of its settings
        (["--experiment=mine", ROW], "mine"),
    ],
)
def test_a_row_of_the_command_line_names_the_experiment(tmp_path, monkeypatch, arguments, name):
    (tmp_path / "flags").symlink_to(ROOT / "flags")
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "jobs.flags").write_text("--jobs=2\n")
    monkeypatch.chdir(tmp_path / "here")
    values = flags.FlagValues()
    flag_files.define_flags(values)
    values(flag_files.expanded(["command", *arguments], values))
    assert [experiment.name for experiment in flag_files.described(values)] == [name]


def test_two_rows_of_one_name(tmp_path):
    for name in ("a", "b"):
        (tmp_path / f"{name}.flags").write_text("# x\n--experiment=same\n")
    with pytest.raises(
        InputError, match="a.flags and .*b.flags are both named same|b.flags and .*a.flags are both named same"
    ):
        flag_files.read_all(flag_files.rows(tmp_path))


def test_a_row_with_lists_is_an_experiment_for_each_combination(tmp_path):
    path = tmp_path / "x.flags"
    lines = ("# x", "--experiment=x", "--mode=lottery", "--criterion=large_final,random", "--mask0_action=zero,init")
    path.write_text("\n".join(lines))
    found = flag_files.read(path)
    assert [experiment.name for experiment in found] == [
        "x_large_final_zero", "x_large_final_init", "x_random_zero", "x_random_init",
    ]  # fmt: skip
    assert found[1].specs == [Spec.of(mode="lottery", criterion="large_final", mask0_action="init")]
    path.write_text("# x\n--experiment=x\n--mode=bernoulli\n--score_value=-5,0.5\n")
    assert [experiment.specs[0].score_value for experiment in flag_files.read(path)] == [-5.0, 0.5]
    path.write_text("# a comment alone\n")
    with pytest.raises(InputError, match="has no flags; write what differs from the defaults"):
        flag_files.read(path)
    path.write_text("# x\n--experiment=x\n--mode=bernoulli\n--score_value=high\n")
    with pytest.raises(InputError, match="--score_value=high must be a number"):
        flag_files.read(path)


def test_one_of_the_values_of_a_row_is_trained_as_the_row_trains_it():
    """By the same name, with the same settings: a row that is trained in parts."""
    path = ROOT / "flags" / "rivals_density_conv2_rigl.flags"
    whole = {experiment.name: experiment.specs for experiment in flag_files.read(path)}
    assert len(whole) == 2
    for name, specs in whole.items():
        flag = f"--density={specs[0].density}"
        values = flags.FlagValues()
        flag_files.define_flags(values)
        values(flag_files.expanded(["command", f"--flagfile={path}", flag], values))
        for (part,) in (flag_files.read(path, [flag]), flag_files.described(values)):
            assert (part.name, part.specs) == (name, specs)


@pytest.mark.parametrize(
    "arguments, names",
    [
        (["--learning_rate=.001,.002"], ["large_final_rewind_zero_digits_.001", "large_final_rewind_zero_digits_.002"]),
        (["--rounds=0", "--learning_rate=.001,.002"], ["dense_digits_.001", "dense_digits_.002"]),
        (["--criterion=large_final,random"], ["large_final_rewind_zero_digits", "random_rewind_zero_digits"]),
        (
            ["--criterion=large_final,random", "--weight_decay=0,.1"],
            [f"{name}_rewind_zero_digits_{decay}" for name in ("large_final", "random") for decay in ("0", ".1")],
        ),
        (["--mask0_action=init", "--learning_rate=.002"], ["large_final_rewind_init_digits"]),
        (["--mode=signed", "--learning_rate=.1,.2"], ["signed_digits_.1", "signed_digits_.2"]),
    ],
)
def test_listed_values_that_are_not_in_the_name_are_added(arguments, names):
    assert [its.name for its in of_command_line("--mode=lottery", "--dataset=digits", *arguments)] == [
        f"fcn_{name}" for name in names
    ]
    named = of_command_line("--mode=lottery", "--experiment=x", "--criterion=large_final,random", "--weight_decay=0,.1")
    assert [its.name for its in named] == ["x_large_final_0", "x_large_final_.1", "x_random_0", "x_random_.1"]


def of_command_line(*arguments):
    values = flags.FlagValues()
    flag_files.define_flags(values)
    values(["command", *arguments])
    return flag_files.described(values)


@pytest.mark.parametrize(
    "flag", ["learning_rate=.1,1_0", "weight_decay=1_0", "learning_rate=\u0661", "learning_rate=.1,"]
)
def test_values_of_a_list_that_are_no_numbers_are_named(flag):
    value = flag.partition("=")[2].split(",")[-1]
    with pytest.raises(InputError, match=f"^--{flag.partition('=')[0]}={value} must be a number"):
        of_command_line(f"--{flag}")


def test_an_empty_name_is_refused(tmp_path):
    message = "--experiment= is empty; name the results, or leave the flag out$"
    with pytest.raises(InputError, match=message):
        of_command_line("--experiment=")
    (tmp_path / "a.flags").write_text("# x\n--experiment=\n")
    with pytest.raises(InputError, match=message):
        flag_files.read(tmp_path / "a.flags")


def test_two_equal_values_of_a_list_are_named():
    with pytest.raises(
        InputError, match="two of the listed combinations are fcn_signed_digits_0.1; list each value once"
    ):
        of_command_line("--dataset=digits", "--learning_rate=.1,0.1")


def test_cheap_runs_and_first_seeds_come_first():
    cheap, dear = (
        flag_files.Experiment(name, [dataclasses.replace(Spec.of(model=name), seed=seed) for seed in range(4)])
        for name in ("fcn", "conv2")
    )
    order = flag_files.in_order([dear, cheap], lambda spec: {"fcn": 1, "conv2": 5}[spec.model])
    assert [(experiment.name, spec.seed) for experiment, spec in order] == [
        ("fcn", 0), ("fcn", 1), ("conv2", 0), ("fcn", 2), ("fcn", 3), ("conv2", 1), ("conv2", 2), ("conv2", 3),
    ]  # fmt: skip
