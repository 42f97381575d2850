"""What a user sees: the command line, in processes of their own."""

import dataclasses
import functools
import json
import time

import commands
import numpy as np
import pytest
from conftest import ROOT
from processes import start, wait_for, weights

from tf_supermask import sparsity
from tf_supermask.experiments import data, flag_files, records, runs
from tf_supermask.experiments.spec import Spec, differences

SHORT = ("--model=fcn", "--dataset=digits", "--epochs=3", "--batch_size=64", "--nojit_compile", "--progress=silent")


def record(folder, experiment="fcn_signed_digits", seed=0):
    return json.loads((folder / experiment / f"seed{seed}.json").read_text())


def test_trains_records_exports_and_says_so(main, tmp_path):
    flags = (*SHORT, "--seeds=0,2", f"--results_dir={tmp_path}/r", f"--export_dir={tmp_path}/e")
    done = main(*flags, fresh=True)
    assert done.stderr == ""  # TensorFlow's start-up noise stays out of view
    for words in (
        "seed 0 (1 of 2)",
        "seed 2 (2 of 2)",
        "one epoch takes about",
        "test accuracy, %",
        "mean [5 %, 95 %]",
    ):
        assert words in done.stdout
    assert "paper" not in done.stdout  # digits are not the paper's data
    again = main(*flags)
    assert again.stdout.count("done before") == 2
    x = data.PREPROCESS["standardize"](data.digits((28, 28, 1)).test_images)
    script = (
        "import sys, numpy as np, tensorflow as tf; model = tf.saved_model.load(sys.argv[1]); "
        "np.save(sys.argv[2], model.serve(np.load(sys.argv[3])))"
    )
    np.save(tmp_path / "x.npy", x)
    folder = tmp_path / "e" / "fcn_signed_digits_seed2"
    commands.run("-c", script, folder, tmp_path / "y.npy", tmp_path / "x.npy").check_returncode()
    accuracy = 100 * np.mean(np.load(tmp_path / "y.npy").argmax(-1) == data.digits((28, 28, 1)).test_labels)
    assert record(tmp_path / "r", seed=2)["final"]["test_accuracy"] == pytest.approx(accuracy, abs=0.3)


def test_tensorboard_and_the_progress_bar(main, tmp_path):
    done = main(*SHORT[:5], "--progress=bar", f"--results_dir={tmp_path}/r", f"--tensorboard_dir={tmp_path}/t")
    assert list((tmp_path / "t" / "train").glob("events.*")) and "━" in done.stdout


def test_deterministic_kernels(main, tmp_path):
    main(
        "--model=resnet20", "--mode=baseline", *SHORT[1:4], "--deterministic", "--epochs=1", f"--results_dir={tmp_path}"
    )
    assert not record(tmp_path, "resnet20_baseline_digits")["environment"]["jit_compile"]


LIGHT = [
    ("--help",),
    ("--status",),
    ("--model=conv9",),
    ("--epochs=many",),
    ("--no_such_flag",),
    ("--mode=lottery", "--criterion=random,random"),
    ("flags/koster_table1_fcn_signed_elus.flags", "--status"),
]


@pytest.mark.parametrize("flags", LIGHT, ids=" ".join)
def test_help_status_and_wrong_flags_load_no_tensorflow(flags):
    script = (
        "import runpy, sys\n"
        "try:\n    runpy.run_module('tf_supermask.main', run_name='__main__', alter_sys=True)\n"
        "finally:\n    print('loaded', *{'keras', 'tensorflow', 'pandas', 'scipy'} & sys.modules.keys())"
    )
    done = commands.run("-c", script, *flags, fresh=True)
    assert "loaded\n" in done.stdout, done.stdout + done.stderr


def test_processes_of_jobs_are_as_quiet_as_one(main, tmp_path):
    done = main(*SHORT[:5], "--seeds=0-1", "--jobs=2", f"--results_dir={tmp_path}")
    assert done.stderr == "" and done.stdout.count(": done") == 2


def test_help_is_grouped_and_complete(main):
    text = main("--help").stdout
    for group in ("what to train:", "data:", "training:", "initialization:", "masks:", "running:", "files:"):
        assert f"\n{group}\n" in text
    for flag in (
        "--model",
        "--mode",
        "--dataset",
        "--seeds",
        "--epochs",
        "--experiment",
        "--results_dir",
        "--data_dir",
        "--export_dir",
    ):
        assert f"  {flag}: " in text
    assert "resnet20x2.5" in text and "binary" in text


@pytest.mark.parametrize(
    "flags, message",
    [
        (["--model=vgg"], "--model=vgg is unknown"),
        (["--dataset=nosuch"], "'nosuch' cannot be had here"),
        (["--colour=red"], "Unknown command line flag 'colour'"),
        (["--epochs=two"], "--epochs=two"),
        (["--seeds=1;2"], "has no seeds to read"),
        (["--progress=loud"], "--progress=loud is unknown"),
        (["--steps_per_execution=0"], "--steps_per_execution must be positive"),
        (["--steps_per_execution=5"], "--steps_per_execution=5 must divide the 12 steps of an epoch"),
        (["--deterministic", "--jit_compile"], "--deterministic excludes --jit_compile"),
        (["--deterministic", "--threads=2"], "--deterministic takes one thread on a CPU"),
        (["--jobs=0"], "--jobs must be positive, not 0"),
        (["--executor=slurm"], "--executor=slurm is unknown; choose from local, ray"),
        (["--flagfile=nosuch.flags"], "nosuch.flags"),
        (["conv8"], "unexpected argument 'conv8'"),
        (["nosuch.flags"], "nosuch.flags"),
        (["--experiment=../x"], "--experiment="),
        (["--results_dir=setup.cfg/x"], "cannot write to setup.cfg/x"),
        (["--scale=quick", "--results_dir=results"], "--results_dir=results is for records of scale paper, not quick"),
        (["--status", "--scale=huge"], "--scale=huge is unknown; choose from paper, reduced, quick"),
    ],
)
def test_bad_input_is_one_line_and_an_exit_code(main, flags, message, tmp_path):
    given = [] if any("results_dir" in flag for flag in flags) else [f"--results_dir={tmp_path}"]
    done = main(*SHORT[:2], *given, *flags, ok=False)
    assert done.returncode == 2
    assert message in done.stderr and done.stderr.startswith("error: ")
    assert len(done.stderr.splitlines()) == 1 and "Traceback" not in done.stdout + done.stderr


def test_bad_lines_in_a_flag_file(main, tmp_path):
    (tmp_path / "bad.flags").write_text("# comment\n--model=fcn\n--sparsity=0.9\n")
    assert "sparsity" in main(f"--flagfile={tmp_path}/bad.flags", ok=False).stderr


def test_rows_are_trained_by_one_command(main, tmp_path):
    for name in ("a", "b"):
        lines = ("# a test", f"--experiment={name}", f"--mode={'signed' if name == 'a' else 'baseline'}", *SHORT)
        (tmp_path / f"{name}.flags").write_text("\n".join(lines))
    rows = (tmp_path / "a.flags", tmp_path / "b.flags")
    done = main(*rows, "--seeds=0-1", "--epochs=1", f"--results_dir={tmp_path}/r")
    assert "(4 of 4)" in done.stdout and "left for the other 3 runs" in done.stdout
    assert {record(tmp_path / "r", name, seed)["spec"]["epochs"] for name in "ab" for seed in (0, 1)} == {1}
    assert main(*rows, "--seeds=0-1", "--epochs=1", f"--results_dir={tmp_path}/r").stdout.count("done before") == 4
    (tmp_path / "b.flags").write_text("# bad\n--experiment=b\n--colour=red\n")
    assert "b.flags: Unknown command line flag 'colour'" in main(*rows, ok=False).stderr


def test_a_run_that_diverges_does_not_stop_the_others(main, tmp_path):
    lines = ("# diverges", "--experiment=bad", "--mode=baseline", *SHORT, "--learning_rate=1e30", "--weight_decay=0")
    (tmp_path / "bad.flags").write_text("\n".join(lines))
    (tmp_path / "good.flags").write_text("\n".join(("# trains", "--experiment=good", "--mode=baseline", *SHORT)))
    done = main(tmp_path / "bad.flags", tmp_path / "good.flags", f"--results_dir={tmp_path}/r", ok=False)
    assert "1 of 2 runs failed: bad, seed 0 (the training diverged" in done.stderr and done.returncode == 2
    assert (tmp_path / "r" / "good" / "seed0.json").exists() and not (tmp_path / "r" / "bad" / "seed0.json").exists()


def test_lists_of_lottery_settings_train_all_combinations_on_one_dense_run(main, tmp_path):
    flags = ("--mode=lottery", "--scale=quick", "--rounds=1", "--iterations=2000", f"--results_dir={tmp_path}")
    done = main(*flags, "--criterion=large_final,random")
    assert "(2 of 2)" in done.stdout and done.stdout.count("first its dense run") == 1
    names = {path.name for path in tmp_path.iterdir() if path.name != "cache"}
    kinds = {f"fcn_{criterion}_rewind_zero_digits8" for criterion in ("large_final", "random")}
    assert names == kinds | {"fcn_dense_digits8"}
    assert all(len(record(tmp_path, name)["history"]["remaining"]) == 2 for name in kinds)


def test_another_spec_never_overwrites(main, tmp_path):
    main(*SHORT, f"--results_dir={tmp_path}")
    before = (tmp_path / "fcn_signed_digits" / "seed0.json").read_bytes()
    done = main(*SHORT, f"--results_dir={tmp_path}", "--learning_rate=0.1", ok=False)
    assert "made with other settings: learning_rate 0.05, not 0.1" in done.stderr
    assert (tmp_path / "fcn_signed_digits" / "seed0.json").read_bytes() == before


def test_kill_9_and_resume(main, tmp_path):
    """Killed at two moments and started again, a run ends with the numbers and masks of an undisturbed one."""
    flags = (
        "--model=fcn",
        "--dataset=digits",
        "--epochs=40",
        "--nojit_compile",
        "--progress=silent",
        "--checkpoint_seconds=0",
    )
    main(*flags, f"--results_dir={tmp_path}/whole")
    run = records.Run(tmp_path / "killed", "fcn_signed_digits", 0)
    for wait in (0.05, 0.3):
        with start(*flags, f"--results_dir={tmp_path}/killed") as process:
            seen = run.checkpoint.stat().st_mtime_ns if run.checkpoint.exists() else None
            wait_for(lambda seen=seen: run.checkpoint.exists() and run.checkpoint.stat().st_mtime_ns != seen, process)
            time.sleep(wait)
            process.kill()
    assert not run.record.exists() and run.checkpoint.exists()
    assert "going on after epoch" in main(*flags, f"--results_dir={tmp_path}/killed").stdout
    whole, killed = record(tmp_path / "whole"), record(tmp_path / "killed")
    for one in (whole, killed):
        del one["history"]["seconds"], one["final"]["seconds_per_epoch"], one["environment"]
    assert whole == killed
    assert weights(dataclasses.replace(run, results_dir=tmp_path / "whole")) == weights(run)


def test_a_disk_that_fills_up_keeps_what_was_recorded(main, tmp_path):
    main(*SHORT, f"--results_dir={tmp_path}")
    before = {path: path.read_bytes() for path in (tmp_path / "fcn_signed_digits").iterdir()}
    flags = (*SHORT, f"--results_dir={tmp_path}", "--seeds=0-1", "--checkpoint_seconds=0")
    done = main(*flags, ok=False, largest_file=300_000)
    assert len(done.stderr.splitlines()) == 1 and "File too large" in done.stderr
    assert {path: path.read_bytes() for path in before} == before
    assert not [path for path in (tmp_path / "fcn_signed_digits").iterdir() if path.name.endswith(".tmp")]
    main(*flags)


def test_damaged_files_are_kept_aside(main, tmp_path):
    run = records.Run(tmp_path, "fcn_signed_digits", 0)
    run.checkpoint.parent.mkdir()
    run.checkpoint.write_bytes(b"half a checkpoint")
    done = main(*SHORT, f"--results_dir={tmp_path}", ok=False)
    assert "seed0.ckpt.npz is damaged" in done.stderr and len(done.stderr.splitlines()) == 1
    main(*SHORT, f"--results_dir={tmp_path}")
    run.record.write_text(run.record.read_text()[:200])
    done = main(*SHORT, f"--results_dir={tmp_path}", ok=False)
    assert "seed0.json is damaged" in done.stderr
    assert (run.record.parent / "seed0.json.damaged").exists()


def test_importing_the_package_does_nothing():
    script = "import sys, tf_supermask; assert 'tensorflow' not in sys.modules and 'keras' not in sys.modules"
    commands.run("-c", script, fresh=True).check_returncode()


@functools.cache
def rows_of(scale):
    """Name -> Spec of seed 0 of all rows."""
    found = flag_files.read_all(flag_files.rows("flags"), [f"--scale={scale}", "--seeds=0"])
    return {experiment.name: experiment.specs[0] for experiment in found}


@pytest.mark.parametrize(
    "folder",
    sorted({path.parent for path in ROOT.glob("results/**/seed*.json") if "quick" not in path.parts}),
    ids=lambda folder: str(folder.relative_to(ROOT)),
)
def test_every_committed_record_is_of_its_flag_file(folder, monkeypatch):
    monkeypatch.chdir(ROOT)
    for path in folder.glob("seed*.json"):
        found = records.read(path)["spec"]
        row = dataclasses.replace(rows_of(found["scale"])[folder.name], seed=found["seed"])
        assert not differences(row, Spec.recorded(found, path))


@pytest.mark.parametrize(
    "path",  # the first seed of each experiment
    list({path.parent: path for path in sorted(ROOT.glob("results/*signed*/seed*.supermask"), reverse=True)}.values()),
    ids=lambda path: path.parent.name,
)
def test_committed_masks_are_those_of_their_records(path):
    """Weights come from the seed, masks from the container: together they are what the record describes, on this machine too."""
    found = records.read(path.with_suffix(".json"))
    spec, run = Spec.recorded(found["spec"], path), records.Run(path.parent.parent, path.parent.name, found["spec"]["seed"])
    model = runs.rebuild(spec, found, run)
    assert sparsity.remaining(sparsity.masks_of(model).values()) == pytest.approx(found["final"]["remaining"])


def test_real_mnist_first_epoch(main, real_data, tmp_path):
    """The paper's FCN learns: after one epoch the test accuracy is above 93 %, and the paper's row is shown for its spec."""
    flags = ("--model=fcn", f"--data_dir={real_data}", f"--results_dir={tmp_path}", "--progress=silent", "--epochs=1")
    main(*flags)
    made = record(tmp_path, "fcn_signed_mnist")
    assert made["final"]["test_accuracy"] > 93
    assert made["initial"]["remaining"] == pytest.approx(100 - 12.81, abs=0.2)
