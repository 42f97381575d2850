"""Flags that say how to run; combinations that exclude each other are in test_main.py, too."""

import pytest
from absl import flags

from tf_supermask.errors import InputError
from tf_supermask.experiments import device, flag_files
from tf_supermask.scheduling import run_flags


def parsed(*arguments):
    values = flags.FlagValues()
    flag_files.define_flags(values)
    values(["main", *arguments])
    return values


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--jobs=0"], "--jobs must be positive, not 0"),
        (["--checkpoint_seconds=-1"], "--checkpoint_seconds must be positive, not -1.0"),
        (["--executor=ray", "--jobs=2"], "--jobs is for this machine"),
        (["--ray_address=", "--executor=ray"], "^--ray_address= is empty; name a cluster, or leave the flag out$"),
        (["--ray_address=x"], "are for --executor=ray"),
        (["--executor=ray", "--gpus_per_run=1.5"], "--gpus_per_run=1.5 must be below 1 or a whole number of GPUs"),
        (["--progress=loud"], "--progress=loud is unknown; choose from auto, bar, epoch, silent"),
    ],
)
def test_wrong_flags_are_named(arguments, message):
    with pytest.raises(InputError, match=message):
        run_flags.check(parsed(*arguments))


@pytest.mark.parametrize("flag", ["export_dir", "tensorboard_dir"])
def test_a_folder_that_cannot_be_written_is_named_before_training(flag, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    for place in ("file", "file/below"):
        with pytest.raises(
            InputError, match=f"^--{flag}={tmp_path}/{place} is no folder: {tmp_path}/file is a file; give"
        ):
            run_flags.check(parsed(f"--{flag}={tmp_path}/{place}"))
    run_flags.check(parsed(f"--{flag}={tmp_path}/new/below"))
    monkeypatch.setattr(run_flags.paths.os, "access", lambda path, mode: False)  # root may write everywhere
    with pytest.raises(InputError, match=f"no permission in {tmp_path}; give another one"):
        run_flags.check(parsed(f"--{flag}={tmp_path}/new/below"))


def test_flags_become_options():
    values = parsed("--progress=epoch", "--checkpoint_seconds=0", "--executor=ray", "--gpus_per_run=2")
    run_flags.check(values)
    options = run_flags.options(values)
    assert options.progress == 2 and options.checkpoint_seconds == 0 and options.jit_compile is None
    assert not run_flags.in_this_process(values) and run_flags.threads(values) == 1


def test_threads_are_shared_by_jobs(monkeypatch):
    monkeypatch.setattr(device, "processors", lambda: 8)
    cases = ([], ["--jobs=3"], ["--jobs=20"], ["--jobs=3", "--threads=5"])
    assert [run_flags.threads(parsed(*arguments)) for arguments in cases] == [None, 2, 1, 5]
    assert run_flags.in_this_process(parsed()) and not run_flags.in_this_process(parsed("--jobs=2"))
