"""Finished runs as models, exported, inspected and verified."""

import json
import shutil

import commands
import numpy as np
import pytest
from conftest import ROOT
from quiet import QUIET

from tf_supermask import load, load_run, save
from tf_supermask.deploy import compaction, loading
from tf_supermask.deploy.saved_model import export_keras, export_saved_model
from tf_supermask.deploy.tflite import export_tflite
from tf_supermask.errors import InputError
from tf_supermask.experiments import data, learned, lottery, networks, paths, records, runs, training
from tf_supermask.experiments.spec import Spec


@pytest.fixture(scope="module")
def made(tiny, tmp_path_factory):
    """A trained signed FCN, its run and record."""
    run = records.Run(tmp_path_factory.mktemp("results"), "x", 0)
    model, record = training.train(Spec.of(epochs=2, batch_size=32, score_scheme="elus"), tiny, run, QUIET)
    return model, run, record


def images():
    return np.random.default_rng(0).normal(size=(4, 8, 8, 1)).astype(np.float32)


def command(module, *arguments):
    done = commands.run("-m", f"tf_supermask.{module}", *arguments)
    return done.returncode, done.stdout, done.stderr


def test_the_trained_network_comes_back_from_the_container_or_from_a_file_of_masks(made, tmp_path):
    """Earlier versions wrote both files."""
    model, run, _ = made
    assert not run.final.exists()
    np.testing.assert_array_equal(load_run(run.record)(images()), model(images()))
    copy = records.Run(tmp_path, "x", 0)
    shutil.copytree(run.record.parent, copy.record.parent)
    copy.container.unlink()
    records.save_arrays(copy.final, networks.snapshot(model))
    np.testing.assert_array_equal(load_run(str(copy.record).removesuffix(".json"))(images()), model(images()))


def test_a_network_of_learned_probabilities_comes_back(tiny, tmp_path):
    small = {"iterations": 8, "evaluate_every": 4, "batch_size": 10, "validation_images": 14, "learning_rate": 1.0}
    for mode in ("bernoulli", "rounded"):
        run = records.Run(tmp_path, mode, 0)
        model, record = learned.train(Spec.of(mode=mode, **small), tiny, run, QUIET)
        for layer, other in zip(load_run(run.record).layers, model.layers, strict=True):
            for one, its in zip(layer.weights, other.weights, strict=True):
                if one.name in ("weight", "score") and (mode == "bernoulli" or one.name == "weight"):
                    np.testing.assert_array_equal(one, its)
        agrees, text = runs.verified(run, record, lambda *_: tiny)
        assert agrees is {"bernoulli": None, "rounded": True}[mode], text


def test_a_baseline_comes_back_and_has_no_container_to_verify(tiny, tmp_path):
    run = records.Run(tmp_path, "x", 0)
    model, record = training.train(Spec.of(mode="baseline", epochs=1, batch_size=32), tiny, run, QUIET)
    np.testing.assert_array_equal(load_run(run.record)(images()), model(images()))
    assert runs.verified(run, record, lambda *_: tiny) == (None, "not verifiable: no container beside the record")


def test_a_container_is_verified_against_its_record(made, tiny, tmp_path):
    _, run, record = made

    def verified(record):
        return runs.verified(run, record, lambda *_: tiny)

    assert verified(record)[0] is True
    other = json.loads(json.dumps(record))
    other["final"]["test_accuracy"] += 100 * 2 / len(tiny.test_labels)  # two images
    assert verified(other)[0] is False
    other = json.loads(json.dumps(record))
    other["layers"][0]["counts"][0] += 1
    assert verified(other)[0] is False
    assert runs.verified(records.Run(tmp_path, "none", 0), record, None)[0] is None


def test_a_damaged_container_differs_from_its_record(made, tmp_path):
    """`report --verify` goes on with the others."""
    _, run, record = made
    copy = records.Run(tmp_path, "copy", 0)
    copy.container.parent.mkdir()
    content = bytearray(run.container.read_bytes())
    content[-1] ^= 1
    copy.container.write_bytes(content)
    assert runs.verified(copy, record, None) == (False, f"{copy.container} is damaged: its checksum does not match")


@pytest.mark.parametrize("mode", ["ttq", "twn", "binaryconnect", "iterand"])
def test_trained_weights_of_which_only_the_container_is_there(mode, tiny, tmp_path):
    """As in a clone, which has no `.final.npz` of them. Oracle: the model that was trained."""
    own = {"density": 0.5, "weight_distribution": "signed_constant", "update_every": 2} if mode == "iterand" else {}
    spec, run = Spec.of(mode=mode, epochs=1, batch_size=32, **own), records.Run(tmp_path, "x", 0)
    model, record = training.train(spec, tiny, run, QUIET)
    run.final.unlink()
    again = load_run(run.record)
    np.testing.assert_array_equal(again(images()), model(images()))
    save(again, tmp_path / "y.supermask", verbose=False)
    for ours, its in zip(load(tmp_path / "y.supermask").weights, load(run.container).weights, strict=True):
        np.testing.assert_array_equal(ours, its)
    record["layers"][0]["counts"][0] += 1
    records.save(run, record)
    with pytest.raises(InputError, match="do not give one model; move both away"):
        load_run(run.record)


def test_what_is_no_trained_network_is_named(made, tiny, tmp_path):
    with pytest.raises(InputError, match="none.json does not exist; name a record"):
        load_run(tmp_path / "none")
    spec = Spec.of(mode="lottery", rounds=0, iterations=4, evaluate_every=2, validation_images=14, batch_size=16)
    run = records.Run(tmp_path, "dense", 0)
    lottery.train(spec, tiny, run, QUIET)
    with pytest.raises(InputError, match="mode lottery, whose records have masks, but no trained model"):
        load_run(run.record)


# A process that cannot import this package reads all files in a folder and writes the outputs.
READER = """
import sys; sys.modules["tf_supermask"] = None
import keras, numpy as np, pathlib, tensorflow as tf

def lite(path):
    from ai_edge_litert.interpreter import Interpreter
    interpreter = Interpreter(str(path))
    interpreter.resize_tensor_input(0, x.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(0, x)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])

folder = pathlib.Path(sys.argv[1])
x = np.load(folder / "x.npy")
def saved(path):
    loaded = tf.saved_model.load(path)
    return loaded.serve(x)

readers = {
    "": saved,
    ".keras": lambda path: keras.models.load_model(path, compile=False)(x),
    ".tflite": lite,
}
paths = [*folder.glob("*.keras"), *folder.glob("*.tflite"), *(file.parent for file in folder.glob("*/saved_model.pb"))]
found = {path.name: readers[path.suffix](path) for path in paths}
np.savez(folder / "y.npz", **{name: np.asarray(y) for name, y in found.items()})
"""


def test_every_format_is_the_same_function_in_a_process_without_the_package(made, tmp_path):
    pytest.importorskip("ai_edge_litert", reason="TFLite files are read with the extra tflite")
    model, run, _ = made
    np.save(tmp_path / "x.npy", images())
    names = []
    for kind, its in {"whole": model, "compact": compaction.compact(model)}.items():
        for write, ending in ((export_saved_model, ""), (export_keras, ".keras"), (export_tflite, ".tflite")):
            names.append(f"{kind}{ending}")
            write(its, tmp_path / names[-1])
    flags = (f"--run={run.record}", "--format=tflite", "--compact", f"--output={tmp_path}/cli.tflite")
    code, output, error = command("export", *flags)
    assert code == 0 and f"wrote {tmp_path}/cli.tflite: " in output and len(output.splitlines()) == 1 and not error
    commands.run("-c", READER, tmp_path).check_returncode()
    with np.load(tmp_path / "y.npz") as found:
        assert sorted(found.files) == sorted([*names, "cli.tflite"])
        for name in found.files:
            np.testing.assert_allclose(found[name], model(images()), rtol=1e-4, atol=1e-5, err_msg=name)


@pytest.mark.parametrize(
    "module, arguments, message",
    [
        ("export", ("--run=nothing",), "nothing.json does not exist"),
        (
            "export",
            ("--run={run}", "--format=supermask", "--compact"),
            "--compact is for --format=saved_model or keras",
        ),
        ("export", ("--run={run}", "--format=keras", "--output=/proc/x.keras"), "give another --output"),
        ("inspect", ("x.supermask",), "x.supermask does not exist"),
    ],
)
def test_bad_input(made, module, arguments, message):
    code, output, error = command(module, *(argument.format(run=made[1].record) for argument in arguments))
    assert code == 2 and message in error and len(error.splitlines()) == 1 and not output


def test_inspect_shows_a_record(made):
    code, output, _ = command("inspect", made[1].record)
    assert code == 0 and "mode=signed" in output and "test_accuracy" in output and "weights remain" in output
    assert f"{loading.read(made[1].container).size:,} bytes" in output


def test_a_run_is_found_by_any_of_its_files(made, monkeypatch):
    run = made[1]
    for path in (run.record, run.container, run.record.with_suffix("")):
        assert runs.find_run(path)[0].record == run.record
    monkeypatch.setenv("HOME", str(run.record.parent))
    assert runs.find_run(f"~/{run.record.name}")[0].record == run.record


@pytest.mark.parametrize("name", ["x.tflite", "x/saved_model.pb"])
def test_inspect_names_a_damaged_file(name, tmp_path):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"nothing of the kind")
    code, output, error = command("inspect", path if path.suffix == ".tflite" else path.parent)
    assert code == 2 and "cannot be read as a" in error and len(error.splitlines()) == 1 and not output


@pytest.mark.parametrize(
    "path",
    sorted({p.parent: p for p in ROOT.glob("results/koster_table1_*/*.supermask")}.values()),
    ids=lambda p: p.parent.name,
)
def test_committed_containers_are_verified_on_real_images(path, real_data):
    run, record = runs.find_run(path.with_suffix(".json"))
    dataset = data.load("mnist", real_data, paths.default_cache_dir(), (28, 28, 1))
    agrees, text = runs.verified(run, record, lambda *_: dataset)
    assert agrees, text


@pytest.mark.parametrize(
    "name, content, message",
    [
        ("package.json", '{"name": "x"}', "package.json is no record: without"),
        ("package.json", "{", "package.json is no record: not a JSON object"),
        (
            "m.h5",
            "nothing",
            "m.h5 is neither a record (.json) nor .supermask, .keras, .tflite nor the folder of a SavedModel",
        ),
    ],
)
def test_what_is_only_read_stays_where_it_is(name, content, message, tmp_path):
    (tmp_path / name).write_text(content)
    code, output, error = command("inspect", tmp_path / name)
    assert code == 2 and message in error and len(error.splitlines()) == 1 and not output
    assert (tmp_path / name).read_text() == content


@pytest.mark.parametrize("module", ["export", "inspect", "report"])
def test_an_unknown_flag_is_one_line(module):
    code, output, error = command(module, "--nosuch=1")
    assert code == 2 and "nosuch" in error and len(error.splitlines()) == 1 and not output
