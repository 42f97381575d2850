import dataclasses
import json
import os
import pathlib
import re
import shutil

import numpy as np
import pytest
from conftest import ROOT
from quiet import QUIET

from tf_supermask import command_line, files
from tf_supermask.errors import InputError
from tf_supermask.evidence import results
from tf_supermask.experiments import form, records, runs, training
from tf_supermask.experiments.callbacks import COLUMNS
from tf_supermask.experiments.spec import Spec

SPEC = Spec.of(model="fcn", epochs=2, batch_size=16)


@pytest.fixture(scope="module")
def trained(tiny, tmp_path_factory):
    run = records.Run(tmp_path_factory.mktemp("trained"), "fine", 0)
    training.train(SPEC, tiny, run, QUIET)
    return run


@pytest.fixture
def finished(trained, tmp_path):
    """A run that is a test's own."""
    shutil.copytree(trained.record.parent, tmp_path / "fine")
    return records.Run(tmp_path, "fine", 0)


def test_record_has_what_design_asks_for(finished):
    record = records.read(finished.record)
    assert record["spec"] == dataclasses.asdict(SPEC)
    assert record["final"].keys() == {"test_accuracy", "test_loss", "remaining", "csr_compression", "seconds_per_epoch"}
    assert {"tensorflow", "keras", "commit", "device", "threads"} <= record["environment"].keys()
    assert record["data"]["fingerprint"] and record["layers"][0]["name"] == "fc1"
    assert len(finished.record.read_text().splitlines()) == len(record) + 2  # one key per line


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
    for write in (lambda path: None, lambda path: records.save_arrays(path, records.load_arrays(path))):
        records.save_checkpoint(run, SPEC, [np.random.default_rng(0).normal(size=1000)], {"train_loss": []})
        write(run.checkpoint)  # compressed, as a run's final arrays are
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


@pytest.mark.parametrize("version", [0, 2, 1.5, "1", None, [1]])
def test_a_checkpoint_of_another_version_is_named_and_stays(tmp_path, version):
    run = checkpoint_with(tmp_path, version=version, spec="of another form", history=None)
    content = run.checkpoint.read_bytes()
    with pytest.raises(
        InputError, match=r"^[^\n]*seed0.ckpt.npz is a checkpoint of version [^\n]*reads version 1[^\n]*$"
    ):
        records.load_checkpoint(run, SPEC)
    assert run.checkpoint.read_bytes() == content


def checkpoint_with(folder, **changes):
    """A Run with a checkpoint whose note is changed; None takes the version away."""
    run = records.Run(folder, "x", 0)
    records.save_checkpoint(run, SPEC, [np.arange(3.0)], {name: [1.0] for name in COLUMNS})
    arrays = records.load_arrays(run.checkpoint)
    note = json.loads(arrays["note"].tobytes())
    assert note["version"] == records.CHECKPOINT
    records.save_arrays(run.checkpoint, arrays | {"note": np.frombuffer(json.dumps(note | changes).encode(), np.uint8)})
    return run


def test_a_checkpoint_of_before_versions_were_written_is_of_the_first(tmp_path):
    run = checkpoint_with(tmp_path)
    arrays = records.load_arrays(run.checkpoint)
    note = json.loads(arrays["note"].tobytes())
    del note["version"]
    records.save_arrays(run.checkpoint, arrays | {"note": np.frombuffer(json.dumps(note).encode(), np.uint8)})
    assert records.load_checkpoint(run, SPEC, [(3,)])[1]["train_loss"] == [1.0]


@pytest.mark.parametrize("changes", [{"spec": 3}, {"spec": None}, {"history": [1.0]}, {"note": [1]}, {"variable0": 3}])
def test_a_checkpoint_without_its_parts_is_damaged(tmp_path, changes):
    run = checkpoint_with(tmp_path, **changes)
    if "note" in changes:
        records.save_arrays(run.checkpoint, {"note": np.frombuffer(b"[1]", np.uint8)})
    if "variable0" in changes:
        arrays = records.load_arrays(run.checkpoint)
        records.save_arrays(run.checkpoint, {"note": arrays["note"], "variable3": arrays["variable0"]})
    with pytest.raises(InputError, match="seed0.ckpt.npz is damaged .* kept as seed0.ckpt.npz.damaged"):
        records.load_checkpoint(run, SPEC)


@pytest.mark.parametrize("shapes", [[], [(4,)], [(3,), ()]])
def test_a_checkpoint_of_other_variables_is_named_and_stays(tmp_path, shapes):
    run = checkpoint_with(tmp_path)
    assert records.load_checkpoint(run, SPEC, [(3,)])
    with pytest.raises(InputError, match="seed0.ckpt.npz was written by another version; move it away"):
        records.load_checkpoint(run, SPEC, shapes)
    run = checkpoint_with(tmp_path, history={"train_loss": [1.0]})
    with pytest.raises(InputError, match="seed0.ckpt.npz was written by another version; move it away"):
        records.load_checkpoint(run, SPEC, [(3,)])
    assert run.checkpoint.exists()


def changed(record, path, value):
    """A copy of a record with another value at `path`, keys with dots between; `...` takes the key away."""
    copy = json.loads(json.dumps(record))
    *above, last = path.split(".")
    part = copy
    for key in above:
        part = part[int(key) if isinstance(part, list) else key]
    part[last] = value
    if value is ...:
        del part[last]
    return copy


def readers(run):
    """All that reads a record."""
    return {
        "main": lambda: records.find(run, SPEC),
        "report": lambda: results.load(run.results_dir, "paper"),
        "load_run": lambda: runs.load_run(run.record),
    }


WRONG = [
    ("spec", 3), ("spec", []), ("history", None), ("history", {}), ("history.train_loss", 3.0), ("history.test_loss", [0.1]),
    ("history.test_loss", ["a", "b"]), ("history.remaining", ...), ("final", 1),
    ("final.test_accuracy", None), ("final.test_accuracy", "high"), ("final.remaining", True), ("final.csr_compression", ...),
    ("initial", {}), ("layers", []), ("layers", [3]), ("layers.0.counts", "many"),
    ("layers.0.counts", [1, 2]), ("layers.1.name", None),
    ("layers.2.shape", [1.5]), ("layers.0.mask_sha256", 5), ("data.input_shape", 28), ("data.classes", "ten"),
    ("data.classes", 0), ("data.classes", 10**7), ("data.classes", True), ("data.input_shape", [8, 0, 1]),
    ("data.input_shape", [8, 8]), ("data.input_shape", [8, 8, 10**7]), ("history.test_accuracy", [90.0, None]),
    ("history.seconds", [None, None]), ("spec.seed", 5),
    ("environment", []), ("final.test_loss", float("nan")), ("history.train_loss", [float("inf"), 1.0]),
]  # fmt: skip


@pytest.mark.parametrize("path, value", WRONG, ids=str)
def test_a_malformed_record_is_one_line_wherever_it_is_read(finished, path, value):
    record = records.read(finished.record)
    text = json.dumps(changed(record, path, value))
    for name, read in readers(finished).items():
        finished.record.write_text(text)
        with pytest.raises(InputError, match="^[^\n]*seed0.json [^\n]*$") as error:
            read()
        assert ("is no record" if name == "load_run" else "is damaged") in str(error.value)


@pytest.mark.parametrize(
    "path", ["{}", "initial.{}", "history.{}", "final.{}", "layers.0.{}", "layers.1.{}", "data.{}", "shrunk.0.{}"]
)
def test_a_record_with_a_newer_field_is_named_and_stays(finished, path):
    """Those of parts that readers rely on."""
    record = records.read(finished.record) | ({"shrunk": [{"epoch": 1, "units": {}}]} if "shrunk" in path else {})
    name = re.sub(r"\.\d", "", path.format("flavour"))
    for value in (1.0, [1.0], [1.0, 2.0]):
        finished.record.write_text(text := json.dumps(changed(record, path.format("flavour"), value)))
        for read in readers(finished).values():
            with pytest.raises(InputError, match=f"seed0.json is of a newer version .* not know {name}; update it"):
                read()
        assert finished.record.read_text() == text


def test_an_environment_may_have_newer_fields(finished):
    finished.record.write_text(json.dumps(changed(records.read(finished.record), "environment.flavour", "sweet")))
    for read in readers(finished).values():
        read()


def test_a_checkpoint_with_a_newer_column_is_of_another_version(tmp_path):
    run = checkpoint_with(tmp_path, history={name: [1.0] for name in (*COLUMNS, "flavour")})
    with pytest.raises(InputError, match="seed0.ckpt.npz was written by another version; move it away"):
        records.load_checkpoint(run, SPEC, [(3,)])
    assert run.checkpoint.exists()


@pytest.mark.parametrize(
    "path, value, message",
    [
        ("spec.flavour", "sweet", "is of a newer version of tf_supermask: this one does not know flavour; update it"),
        ("spec.mode", "quaternary", "has settings that this version of tf_supermask does not take: --mode=quaternary"),
        ("spec.model", ["fcn"], "has settings that this version of tf_supermask does not take: --model must be a str"),
        ("spec.epochs", None, "does not take: --epochs must be a int, not None"),
        ("spec.threshold", "low", "does not take: --threshold must be a float, not 'low'"),
    ],
)
def test_a_record_of_a_newer_version_is_named_and_stays(finished, path, value, message):
    """Even where it looks otherwise in other places."""
    record = changed(records.read(finished.record), path, value) | {"final": "of another form"}
    text = json.dumps(record)
    finished.record.write_text(text)
    for read in readers(finished).values():
        with pytest.raises(InputError, match="^[^\n]*seed0.json [^\n]*$") as error:
            read()
        assert message in str(error.value) and finished.record.read_text() == text
        assert "is no record" not in str(error.value)
    run = checkpoint_with(finished.results_dir, spec=record["spec"])
    with pytest.raises(InputError, match="seed0.ckpt.npz (is of a newer version|has settings)"):
        records.load_checkpoint(run, SPEC)
    assert run.checkpoint.exists()


def committed(mode):
    """A committed record of a mode, and its path."""
    for path in sorted((ROOT / "results").glob("zhou_*/seed0.json")):
        record = json.loads(path.read_text())
        if record["spec"]["mode"] == mode:
            return record, path
    raise LookupError(mode)


@pytest.mark.parametrize(
    "mode, column, value, place",
    [
        ("bernoulli", "val_loss", None, "history.val_loss[0] is None"),
        ("lottery", "test_accuracy", None, "history.test_accuracy[0] is None"),
        ("supermask", "untrained", None, "history.untrained[0] is None"),
        ("supermask", "large_final/init/test", None, "history.large_final/init/test[0] is None"),
        ("supermask", "movement/signed_constant/val", ..., "without history.movement/signed_constant/val"),
        ("supermask", "random/sign_changed", ..., "without history.random/sign_changed"),
        ("supermask", "random/init/test", [1.0], "history has columns of 1 to "),
    ],
)
def test_columns_that_tables_read_are_there_and_full(mode, column, value, place, tmp_path):
    record, path = committed(mode)
    assert records.parsed(path) == record
    history = record["history"]
    history[column] = [None] * len(history[column]) if value is None else value
    if value is ...:
        del history[column]
    (tmp_path / path.name).write_text(json.dumps(record))
    with pytest.raises(records.Malformed, match=f"^{re.escape(place)}"):
        records.parsed(tmp_path / path.name)


@pytest.mark.parametrize("mode", ["lottery", "supermask"])
def test_a_history_has_as_many_rows_as_rounds(mode, tmp_path):
    record, path = committed(mode)
    record["spec"] |= {"rounds": record["spec"]["rounds"] + 1}
    if mode == "lottery":  # its committed dense run has no rounds; the fields of a chain
        record["spec"] |= {
            name: value
            for name, value in dataclasses.asdict(Spec.of(mode=mode)).items()
            if name not in ("rounds", "seed")
        }
    (tmp_path / path.name).write_text(json.dumps(record))
    with pytest.raises(records.Malformed, match="^history has [0-9]+ rows, its spec [0-9]+ rounds$"):
        records.parsed(tmp_path / path.name)


def test_a_checkpoint_may_lack_criteria():
    record, path = committed("supermask")
    history, spec = record["history"], Spec.recorded(record["spec"], path)
    for column in [name for name in history if name.startswith("movement/")]:
        del history[column]
    assert not list(form.history_differences(history, spec, finished=False))
    assert list(form.history_differences(history, spec))


def test_every_committed_record_is_accepted():
    paths = sorted((ROOT / "results").rglob("seed*.json"))
    assert len(paths) > 100
    for path in paths:
        record = records.parsed(path)
        spec, counts = Spec.recorded(record["spec"], path), np.array(
            [row["counts"] for row in record.get("layers", ())]
        )
        if spec.masked and not spec.sampled:  # samples differ between two looks
            left = 100 * counts[:, [0, 2]].sum() / counts.sum()
            np.testing.assert_allclose(left, record["final"]["remaining"], atol=1e-3, err_msg=str(path))


def unreadable(path, kind):
    """Puts something at `path` that cannot be read."""
    path.parent.mkdir(exist_ok=True)
    if kind == "folder":
        path.mkdir()
    else:
        path.symlink_to(path if kind == "loop" else "nowhere")


@pytest.mark.parametrize("kind", ["folder", "dangling", "loop"])
def test_a_record_that_cannot_be_read_stops_no_other_experiment(kind, finished):
    other = records.Run(finished.results_dir, "other", 0)
    unreadable(other.record, kind)
    results.check_folder(finished.results_dir, "paper")
    assert records.find(finished, SPEC)
    with pytest.raises(InputError, match="^cannot read the record [^\n]*other/seed0.json [^\n]*$"):
        results.load(finished.results_dir, "paper")
    assert os.path.lexists(other.record)


def test_a_field_that_is_younger_than_a_record_counts_as_none(finished):
    record = changed(records.read(finished.record), "spec.score_value", ...)
    finished.record.write_text(json.dumps(changed(record, "spec.momentum", 0)))
    assert Spec.recorded(record["spec"], "x") == SPEC
    assert records.find(finished, dataclasses.replace(SPEC, momentum=0.0))


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


def test_commands_turn_onednn_on_unless_the_user_has_decided(monkeypatch):
    for given, then in ((None, "1"), ("0", "0")):
        monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", given or "")
        if given is None:
            monkeypatch.delenv("TF_ENABLE_ONEDNN_OPTS")
        with command_line.silence_tensorflow():
            assert os.environ["TF_ENABLE_ONEDNN_OPTS"] == then
