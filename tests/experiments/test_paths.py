"""`~` in every flag that is a path, of every command."""

import os

import pytest
from absl import flags

from tf_supermask import export, report
from tf_supermask.experiments import data, flag_files

COMMANDS = {flag_files.define_flags: 5, export.define_flags: 3, report.define_flags: 6}  # and how many paths they take


def parsed(define, value, but=("dataset", "experiment")):
    """The values of all paths of a command: flags of text whose help speaks of files, folders or records of a run.

    --dataset, which may be a folder, keeps its text, since records have it. --experiment, a name, comes from that of a file."""
    values = flags.FlagValues()
    define(values)
    words = ("folder", "file", "record of the run", "logs there", "network there")
    names = [name for name in values if any(word in values[name].help for word in words)]
    names = [name for name in names if values[name].flag_type() == "string" and name not in but]
    values(["command", *(f"--{name}={value}" for name in names)])
    return [values[name].value for name in names]


@pytest.mark.parametrize("define", COMMANDS)
def test_home_is_expanded_in_every_path(define, monkeypatch):
    monkeypatch.setenv("HOME", "/home/of-a-user")
    assert parsed(define, "~/x") == ["/home/of-a-user/x"] * COMMANDS[define]


@pytest.mark.parametrize("define", COMMANDS)
def test_an_empty_path_is_refused(define):
    with pytest.raises(flags.IllegalFlagValueError, match="=: a path is empty; name a file or folder"):
        parsed(define, "", but=["dataset"])


def test_the_folder_of_data_sets_may_be_in_the_home_of_the_user(monkeypatch, tmp_path):
    tfds = pytest.importorskip("tensorflow_datasets")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("TFDS_DATA_DIR", os.path.join("~", "sets"))
    folders = []

    def builder(name, data_dir):
        folders.append(data_dir)
        raise ValueError("seen")

    monkeypatch.setattr(tfds, "builder", builder)
    for given in (None, "~/other"):
        with pytest.raises(data.InputError):
            data.load("mnist", given)
    assert folders == [str(tmp_path / "sets"), str(tmp_path / "other")]
