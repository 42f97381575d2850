import dataclasses
import json
import os
import pathlib
import subprocess

import numpy as np
import pytest

from tf_supermask import files
from tf_supermask.errors import InputError
from tf_supermask.experiments import environment, records, training
from tf_supermask.experiments.spec import Spec

SPEC = Spec.of(model="fcn", epochs=2, batch_size=16)
QUIET = training.Options(progress=0, say=lambda line: None, checkpoint_seconds=0)


@pytest.fixture
def finished(tiny, tmp_path):
    run = records.Run(tmp_path, "fine", 0)
    training.train(SPEC, tiny, run, QUIET)
    return run


def names(run):
    return sorted(path.name for path in run.record.parent.iterdir())


def test_record_has_what_design_asks_for(finished):
    record = records.read(finished.record)
    assert record["spec"] == dataclasses.asdict(SPEC)
    assert record["final"].keys() == {"test_accuracy", "test_loss", "remaining", "csr_compression", "seconds_per_epoch"}
    assert {"tensorflow", "keras", "commit", "device", "threads"} <= record["environment"].keys()
    assert record["data"]["fingerprint"] and record["layers"][0]["name"] == "fc1"
    assert len(finished.record.read_text().splitlines()) == len(record) + 2  # one key per line


def test_a_commit_is_that_of_the_package_or_none(tmp_path):
    def git(*arguments):
        identity = ("-c", "user.name=a", "-c", "user.email=a@b.c")
        done = subprocess.run(
            ["git", "-C", tmp_path, *identity, *arguments], capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def commit(package):
        environment.commit.cache_clear()
        return environment.commit(package)

    own, installed, vendored = (tmp_path / place / "tf_supermask" for place in ("", "venv/site-packages", "vendor"))
    for folder in (own, installed, vendored):
        folder.mkdir(parents=True)
        (folder / "records.py").write_text("")
    assert commit(own) is None  # no repository
    git("init")
    git("add", "vendor")
    git("commit", "-m", "another project")
    assert [commit(folder) for folder in (own, installed, vendored)] == [None] * 3
    git("add", "tf_supermask")
    git("commit", "-m", "this project")
    assert commit(own) == git("rev-parse", "HEAD") and commit(installed) is None
    (own / "records.py").write_text("changed")
    assert commit(own) == git("rev-parse", "HEAD") + "+"


def test_a_record_of_other_settings_is_an_error(finished):
    assert records.find(finished, SPEC)["spec"] == dataclasses.asdict(SPEC)
    text = finished.record.read_bytes()
    with pytest.raises(InputError, match="made with other settings: epochs 2, not 3; give another --experiment"):
        records.find(finished, dataclasses.replace(SPEC, epochs=3))
    assert finished.record.read_bytes() == text


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"spec": {}}', b"\xff\xfe\x00"])
def test_a_damaged_record_is_named_and_kept(finished, damage):
    finished.record.write_bytes(damage)
    with pytest.raises(InputError, match=r"seed0.json is damaged .* kept as seed0.json.damaged, start again"):
        records.find(finished, SPEC)
    assert finished.record.with_name("seed0.json.damaged").read_bytes() == damage
    assert records.find(finished, SPEC) is None
    finished.record.write_bytes(damage)
    with pytest.raises(InputError, match="seed0.json.damaged2"):
        records.find(finished, SPEC)


@pytest.mark.parametrize("cut", [0, 10, 0.5, 0.999])
def test_a_damaged_checkpoint_is_named_and_kept(tmp_path, cut):
    run = records.Run(tmp_path, "cut", 3)
    records.save_checkpoint(run, SPEC, [np.arange(1000.0)], {"train_loss": []})
    whole = run.checkpoint.read_bytes()
    part = whole[: cut if isinstance(cut, int) else int(cut * len(whole))]
    run.checkpoint.write_bytes(part)
    with pytest.raises(InputError, match="seed3.ckpt.npz is damaged .* kept as seed3.ckpt.npz.damaged"):
        records.load_checkpoint(run, SPEC)
    assert run.checkpoint.with_name("seed3.ckpt.npz.damaged").read_bytes() == part
    assert records.load_checkpoint(run, SPEC) is None


def test_a_flipped_byte_in_a_checkpoint_is_found(tmp_path):
    run = records.Run(tmp_path, "flipped", 0)
    records.save_checkpoint(run, SPEC, [np.arange(1000.0)], {"train_loss": []})
    content = bytearray(run.checkpoint.read_bytes())
    content[len(content) // 2] ^= 1
    run.checkpoint.write_bytes(content)
    with pytest.raises(InputError, match="is damaged"):
        records.load_checkpoint(run, SPEC)


def test_a_checkpoint_of_other_settings_is_an_error(tmp_path):
    run = records.Run(tmp_path, "other", 0)
    records.save_checkpoint(run, SPEC, [np.zeros(3)], {"train_loss": [1.0]})
    with pytest.raises(InputError, match="learning_rate 0.05, not 0.1"):
        records.load_checkpoint(run, dataclasses.replace(SPEC, learning_rate=0.1))
    assert run.checkpoint.exists()
    (value,), history = records.load_checkpoint(run, SPEC)
    np.testing.assert_array_equal(value, np.zeros(3))
    assert history == {"train_loss": [1.0]}


def test_a_failed_write_leaves_the_earlier_file(tmp_path):
    path = tmp_path / "file"
    files.write(path, lambda file: file.write(b"first"))

    def full(file):
        file.write(b"sec")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError):
        files.write(path, full)
    assert path.read_bytes() == b"first" and os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("name", ["../up", "", "a b", "/absolute", ".hidden"])
def test_experiment_names_stay_in_the_results_folder(tmp_path, name):
    with pytest.raises(InputError, match="--experiment="):
        records.Run(tmp_path, name, 0)


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write to .*; give another --results_dir"):
        records.prepare(records.Run(tmp_path / "file", "x", 0))


def test_numbers_survive_json(tiny, tmp_path):
    _, record = training.train(SPEC, tiny, options=QUIET)
    run = records.Run(tmp_path, "exact", 0)
    records.save(run, record)
    assert records.read(run.record) == json.loads(json.dumps(record))
    assert records.read(run.record)["history"] == record["history"]


@pytest.mark.parametrize("there", [True, False], ids=["link", "dangling link"])
def test_a_link_is_followed(there, tmp_path):
    target, link = tmp_path / "files" / "target", tmp_path / "link"
    target.parent.mkdir()
    if there:
        target.write_text("before")
    link.symlink_to(pathlib.Path("files", "target"))
    files.write(link, lambda file: file.write(b"after"))
    assert link.is_symlink() and target.read_text() == "after"
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["files", "link", "target"]
