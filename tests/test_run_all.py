"""run_all.sh: which rows it takes and what it refuses, with a Python that prints what it is given."""

import os
import re
import shutil
import subprocess

import pytest
from conftest import ROOT


@pytest.fixture
def run_all(tmp_path):
    """run_all(*arguments) -> (exit code, command lines of the Pythons it would start, stderr)."""
    (tmp_path / "tests").mkdir()
    for name in ("run_all.sh", "flags"):
        os.symlink(ROOT / name, tmp_path / name)
    (tmp_path / "tests" / "environment.sh").write_text("python=echo\n")

    def run(*arguments):
        script = ["bash", "-c", (ROOT / "run_all.sh").read_text().replace('cd "$(dirname "$0")"', "true"), "run_all.sh"]
        done = subprocess.run([*script, *arguments], cwd=tmp_path, capture_output=True, text=True)
        return done.returncode, done.stdout.splitlines(), done.stderr

    return run


def rows_of(command):
    return [word for word in command.split() if word.startswith("flags/")]


def test_all_rows_at_quick_scale(run_all):
    code, (train, report), _ = run_all("--all")
    names = [path.name for path in sorted(ROOT.glob("flags/[!_]*.flags"))]
    assert code == 0 and rows_of(train) == [f"flags/{name}" for name in names if not re.search("_check_|^zoo_|^rivals_", name)]
    assert f"--flagfile=flags/_quick.flags --jobs={os.cpu_count()}" in train and report.endswith("--scale=quick")


def test_without_arguments_one_network_of_each_table(run_all):
    """Each kind of row, which is its name without the network, is there with exactly one network."""

    def kind(row):
        return re.sub(r"_(fcn|conv\d|resnet[\d.x]+)(?=[_.])", "", row)

    first_look, everything = (rows_of(run_all(*arguments)[1][0]) for arguments in ((), ("--all",)))
    kinds = [kind(row) for row in first_look]
    assert set(kinds) == set(map(kind, everything)) and len(kinds) == len(set(kinds))


def test_the_number_of_jobs_can_be_given(run_all):
    assert run_all("--jobs=1")[1][0].endswith(f"--jobs={os.cpu_count()} --jobs=1")  # the last one counts
    for arguments in (("--executor=ray",), ("--scale=paper",)):
        assert "--jobs" not in run_all(*arguments)[1][0]


def test_other_files_among_the_rows_are_not_taken(run_all, tmp_path):
    before = run_all()[1]
    (tmp_path / "flags").unlink()
    shutil.copytree(ROOT / "flags", tmp_path / "flags")
    (tmp_path / "flags" / "draft.flags").write_text("a draft")
    assert run_all()[1] == before and "flags/draft.flags" in run_all("draft")[1][0]


@pytest.mark.parametrize(
    "arguments",
    [("--scale=paper", "koster_table1_", "--seeds=0-9"), ("koster_table1_", "--seeds=0-9", "--scale=paper")],
)
def test_scale_prefix_and_further_flags(run_all, arguments):
    _, (walk, report), _ = run_all(*arguments)
    assert walk.count("flags/koster_table1_fcn_") == 6 and "table12" not in walk
    assert walk.endswith("--flagfile=flags/_paper.flags --seeds=0-9") and report.endswith("--scale=paper")


def test_a_flag_file_is_a_row_or_gives_further_flags(run_all, tmp_path):
    (tmp_path / "jobs.flags").write_text("--jobs=2\n")
    row = "flags/zhou_fig4_fcn.flags"
    _, (training, _), _ = run_all(f"--flagfile={row}", "--seeds=1")
    assert (
        training
        == f"-m tf_supermask.main {tmp_path}/{row} --flagfile=flags/_quick.flags --jobs={os.cpu_count()} --seeds=1"
    )
    _, (training, _), _ = run_all("koster_table1_", f"--flagfile={row}", "--flagfile=jobs.flags")
    assert training.count("flags/koster_table1_fcn_") == 6 and f" {tmp_path}/{row} " in training
    assert training.endswith(f"--flagfile={tmp_path}/jobs.flags")


def test_a_prefix_or_another_scale_leaves_no_network_out(run_all):
    for arguments in (("zhou",), ("--scale=paper",)):
        assert "flags/zhou_fig3_conv6.flags" in run_all(*arguments)[1][0]


@pytest.mark.parametrize(
    "argument, message",
    [
        ("--scale=big", "choose from quick, reduced, paper"),
        ("--scale", "--scale needs a value: --scale=..."),
        ("nosuch", "no row is named flags/nosuch*.flags"),
        (" koster", "no row is named flags/ koster*.flags"),
    ],
)
def test_bad_input(run_all, argument, message):
    code, lines, error = run_all(argument)
    assert code == 2 and lines == [] and message in error and len(error.splitlines()) == 1


def test_status_makes_no_report(run_all):
    code, lines, _ = run_all("--scale=paper", "koster_table1_", "--status")
    assert code == 0 and len(lines) == 1 and lines[0].endswith("--flagfile=flags/_paper.flags --status")


def test_wrong_flags_end_it(run_all, tmp_path):
    """Neither training nor a report follows; the Python here refuses what the real one would."""
    (tmp_path / "tests" / "environment.sh").write_text("python=python\npython() { [[ $* != *--status* ]] && echo $*; }\n")
    code, lines, _ = run_all("--nosuch=1")
    assert code == 1 and lines == []


def test_help_is_the_head_of_the_script(run_all):
    code, lines, _ = run_all("--help")
    assert code == 0 and lines[0].startswith("Trains the rows") and "bash run_all.sh --all" in "\n".join(lines)
    assert not any(line.startswith(("#", "set ")) for line in lines)
