"""Exported files: whole or not there, and read without this package."""

import json
import os
import pathlib
import stat

import commands
import keras
import numpy as np
import pytest
import tensorflow as tf
from saved_models import READER, build, images

from tf_supermask.deploy import c_source, container, serving, tflite
from tf_supermask.deploy.saved_model import export_keras, export_saved_model
from tf_supermask.deploy.tflite import export_tflite
from tf_supermask.errors import InputError


@pytest.mark.parametrize("model", ["fcn", "conv2", "resnet20"])
def test_saved_model_in_a_process_without_the_package(model, tmp_path):
    masked = build(model)
    folder = export_saved_model(masked, tmp_path / "e" / "exported")
    np.save(tmp_path / "images.npy", images())
    done = commands.run("-c", READER, folder, tmp_path / "images.npy")
    assert done.returncode == 0, done.stderr
    np.testing.assert_allclose(json.loads(done.stdout), masked(images()), rtol=1e-4, atol=1e-5)
    assert [path.name for path in folder.parent.iterdir()] == ["exported"]  # nothing half-written is left


def written(model, folder, **options):
    """What `serving.save` writes, in no time."""
    os.mkdir(folder)
    pathlib.Path(folder, "saved_model.pb").write_text(model.name)


@pytest.fixture
def named(monkeypatch):
    """name -> a model whose export is a file with its name."""
    monkeypatch.setattr(serving, "save", written)
    return lambda name: keras.Sequential(
        [keras.Input((2,)), keras.layers.Dense(1, kernel_initializer="ones")], name=name
    )


@pytest.fixture
def nothing_converted(monkeypatch):
    """Exports that write the name of a format, in no time."""
    monkeypatch.setattr(tflite, "_converted", lambda converter, name: b"tflite")
    monkeypatch.setattr(tf.lite.TFLiteConverter, "from_saved_model", lambda *args, **kwargs: None)
    monkeypatch.setattr(container, "packed", lambda model, own, verbose: b"packed")


def test_an_earlier_export_is_replaced_whole_and_nothing_else_is(named, tmp_path, monkeypatch):
    folder = export_saved_model(named("first"), tmp_path / "exported")

    def full_disk(*args):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(serving, "save", full_disk)
        with pytest.raises(InputError, match="cannot write .*No space left on device.*give another folder"):
            export_saved_model(named("second"), folder)
    assert (folder / "saved_model.pb").read_text() == "first"
    export_saved_model(named("second"), folder)
    assert (folder / "saved_model.pb").read_text() == "second"
    (tmp_path / "mine").mkdir()
    with pytest.raises(InputError, match="not a SavedModel"):
        export_saved_model(named("third"), tmp_path / "mine")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["exported", "mine"]


@pytest.mark.parametrize("failing", [1, 2], ids=["away", "to its place"])
@pytest.mark.parametrize("error", [OSError(16, "busy"), KeyboardInterrupt()], ids=["busy", "stopped"])
def test_an_earlier_export_is_there_whichever_rename_fails(failing, error, named, tmp_path, monkeypatch):
    folder = export_saved_model(named("first"), tmp_path / "exported")
    rename, calls = pathlib.Path.rename, []

    def renamed(path, target):
        calls.append(path)
        if len(calls) == failing:
            raise error
        return rename(path, target)

    monkeypatch.setattr(pathlib.Path, "rename", renamed)
    with pytest.raises(InputError if isinstance(error, OSError) else KeyboardInterrupt):
        export_saved_model(named("second"), folder)
    assert (folder / "saved_model.pb").read_text() == "first" and len(calls) == {1: 1, 2: 3}[failing]
    assert [path.name for path in tmp_path.iterdir()] == ["exported"]


def test_an_earlier_export_that_cannot_come_back_is_kept(named, tmp_path, monkeypatch):
    folder = export_saved_model(named("first"), tmp_path / "exported")
    rename, calls = pathlib.Path.rename, []

    def renamed(path, target):
        calls.append(path)
        if len(calls) > 1:
            raise OSError(5, "Input/output error")
        return rename(path, target)

    monkeypatch.setattr(pathlib.Path, "rename", renamed)
    with pytest.raises(InputError, match="Input/output error"):
        export_saved_model(named("second"), folder)
    assert [path.read_text() for path in tmp_path.glob(".exported.*/old/saved_model.pb")] == ["first"]


@pytest.mark.parametrize("there", [True, False], ids=["link", "dangling link"])
@pytest.mark.parametrize("write", [export_saved_model, export_keras, export_tflite, container.save])
def test_a_link_is_followed(write, there, named, nothing_converted, tmp_path):
    target, link = tmp_path / "files" / "target", tmp_path / "link"
    target.parent.mkdir()
    if there:
        write(named("first"), target)
    link.symlink_to(pathlib.Path("files", "target"))
    write(named("second"), link)
    assert link.is_symlink() and target.exists()
    assert sorted(path.name for path in [*tmp_path.iterdir(), *target.parent.iterdir()]) == ["files", "link", "target"]
    content = target / "saved_model.pb" if target.is_dir() else target
    assert content.read_bytes() not in (b"", b"first")


@pytest.mark.parametrize("write", [export_saved_model, export_keras, container.save])
@pytest.mark.parametrize(
    "place, reason", [("folder", "not a SavedModel|Is a directory"), ("file/x", "File exists|Not a directory")]
)
def test_places_that_cannot_be_written_are_named_in_one_line(write, place, reason, named, tmp_path, monkeypatch):
    monkeypatch.setattr(container, "packed", lambda model, own, verbose: b"packed")
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("mine")
    with pytest.raises(InputError, match=reason) as error:
        write(named("model"), tmp_path / place)
    assert str(tmp_path / place) in str(error.value) and len(str(error.value).splitlines()) == 1
    assert (tmp_path / "file").read_text() == "mine" and not list((tmp_path / "folder").iterdir())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


def c_code(model, folder):
    return c_source.export_c(model, folder, arithmetic="float").paths[0]


WRITERS = [export_saved_model, export_keras, export_tflite, container.save, c_code]


@pytest.mark.parametrize("write", WRITERS)
def test_home_is_written_as_in_a_shell(write, named, nothing_converted, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    path = write(named("model"), "~/folder/x")
    assert (tmp_path / "home" / "folder" / "x").exists() and not (tmp_path / "~").exists()
    assert write is container.save or path.exists()  # the path returned is the one written


@pytest.mark.parametrize("write", WRITERS)
def test_a_name_that_is_too_long_is_one_line(write, named, nothing_converted, tmp_path):
    with pytest.raises(InputError, match="^cannot write .*File name too long") as error:
        write(named("model"), tmp_path / ("x" * 300))
    assert len(str(error.value).splitlines()) == 1 and not list(tmp_path.iterdir())


@pytest.mark.parametrize("write", WRITERS)
def test_a_link_to_itself_is_one_line_and_stays(write, named, nothing_converted, tmp_path):
    path = tmp_path / ("network.c" if write is c_code else "x")
    path.symlink_to(path.name)
    with pytest.raises(InputError, match=r"^cannot write [^\n]*\(a link to itself\)[^\n]*$"):
        write(named("model"), tmp_path if write is c_code else path)
    assert path.is_symlink() and {its.name for its in tmp_path.iterdir()} <= {path.name, "network.h"}


def test_a_folder_that_replaces_another_has_its_permissions(named, tmp_path):
    folder = export_saved_model(named("first"), tmp_path / "exported")
    folder.chmod(0o700)
    export_saved_model(named("second"), folder)
    assert (folder / "saved_model.pb").read_text() == "second" and stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_model_that_cannot_be_exported_is_named_in_one_line(tmp_path):
    table = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer([0], [5.0], tf.int64), -1.0)

    class Hidden(keras.layers.Layer):
        def call(self, x):
            return x + table.lookup(tf.constant(0, tf.int64))

    model = keras.Sequential([keras.Input((4,)), Hidden(), keras.layers.Dense(2)], name="reader")
    with pytest.raises(InputError, match="^reader cannot be exported: .*untracked") as error:
        export_saved_model(model, tmp_path / "saved")
    assert len(str(error.value).splitlines()) == 1 and not list(tmp_path.iterdir())


@pytest.mark.parametrize("export", [export_tflite, export_keras])
def test_a_full_disk_of_temporary_files_is_one_line(export, tmp_path, monkeypatch):
    def full_disk(*args, **kwargs):
        raise (
            tf.errors.OutOfRangeError(None, None, "file too large")
            if export is export_tflite
            else OSError(28, "No space")
        )

    monkeypatch.setattr(serving, "save", full_disk)
    monkeypatch.setattr(keras.Model, "save", full_disk)
    with pytest.raises(InputError, match="^cannot write to .* set TMPDIR to a folder on another disk$"):
        export(build("fcn", mode="signed"), tmp_path / "x")
    assert not list(tmp_path.iterdir())
