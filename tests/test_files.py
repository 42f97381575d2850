"""Files are whole or not there."""

import hashlib
import io
import os
import stat
import zipfile

import keras
import numpy as np
import pytest

import tf_supermask
from tf_supermask import files, load, load_run, mask_model
from tf_supermask.deploy import container
from tf_supermask.deploy.codes_file import export_codes
from tf_supermask.deploy.onnx_file import export_onnx
from tf_supermask.deploy.saved_model import export_keras, export_saved_model
from tf_supermask.deploy.tflite import export_tflite
from tf_supermask.errors import InputError


def test_a_writer_that_fails_leaves_the_earlier_file(tmp_path):
    path = tmp_path / "folder" / "x"
    files.write(path, lambda file: file.write(b"first"))

    def failing(file):
        file.write(b"sec")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        files.write(path, failing)
    assert path.read_bytes() == b"first" and [entry.name for entry in path.parent.iterdir()] == ["x"]


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o444])
def test_a_file_that_replaces_another_has_its_permissions(mode, tmp_path):
    path = tmp_path / "x"
    path.write_text("first")
    path.chmod(mode)

    def second(file):
        (beside,) = (entry for entry in tmp_path.iterdir() if entry != path)
        assert stat.S_IMODE(beside.stat().st_mode) == mode  # from the first byte on
        file.write(b"second")

    files.write(path, second)
    assert path.read_text() == "second" and stat.S_IMODE(path.stat().st_mode) == mode


def test_home_is_written_as_in_a_shell(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    files.write("~/folder/x", lambda file: file.write(b"content"))
    assert (tmp_path / "home" / "folder" / "x").read_bytes() == b"content" and not (tmp_path / "~").exists()


def test_damaged_files_are_renamed_and_none_is_lost(tmp_path):
    for content in ("one", "two", "three"):
        (tmp_path / "x").write_text(content)
        files.quarantine(tmp_path / "x")
    names = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert names == {"x.damaged": "one", "x.damaged2": "two", "x.damaged3": "three"}


def npz(header):
    """An npz of one array with a header of our own."""
    text = header.encode().ljust(4095) + b"\n"
    content = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + bytes(80)
    with zipfile.ZipFile(file := io.BytesIO(), "w") as archive:
        archive.writestr("a.npy", content)
    return file.getvalue()


def shaped(shape):
    return npz(f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}}}")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"x",
        b"PK\x03\x04",
        shaped("(10**13,)"),
        shaped(f"({10**13},)"),
        shaped(f"({2**63}, 9)"),
        npz("-" * 4000 + "1"),
    ],
    ids=range(7),
)
def test_arrays_that_cannot_be_read_are_damaged(content, tmp_path):
    (tmp_path / "x.npz").write_bytes(content)
    with pytest.raises(files.Damaged, match="."):
        files.arrays(tmp_path / "x.npz")


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_a_wrong_byte_in_a_file_of_arrays_is_damage_or_harmless(save, tmp_path):
    path, arrays = tmp_path / "x.npz", {"a": np.arange(40.0), "b": np.arange(3)}
    save(path, **arrays)
    whole, found = path.read_bytes(), 0
    np.save(tmp_path / "x.npy", arrays["a"])
    with pytest.raises(files.Damaged):
        files.arrays(tmp_path / "x.npy")
    assert list(files.arrays(path, "b")) == ["b"]
    with pytest.raises(files.Damaged):
        files.arrays(path, "c")
    for place in range(0, len(whole), 5):
        for value in (12, 255, whole[place] ^ 1):
            path.write_bytes(whole[:place] + bytes([value]) + whole[place + 1 :])
            try:
                assert all(np.array_equal(value, arrays.get(name)) for name, value in files.arrays(path).items())
            except files.Damaged:
                found += 1
    assert found > len(whole) // 5


def test_hashes_are_of_the_values():
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert files.sha256(array.T) == hashlib.sha256(array.T.copy().tobytes()).hexdigest() != files.sha256(array)


def test_empty_folders_do_not_stay(tmp_path):
    (tmp_path / "old" / "empty").mkdir(parents=True)
    with pytest.raises(KeyError), files.no_new_empty_folders(tmp_path / "new" / "root"):
        (tmp_path / "new" / "root" / "a" / "b").mkdir(parents=True)
        raise KeyError
    assert sorted(tmp_path.rglob("*")) == [tmp_path / "old", tmp_path / "old" / "empty"]
    with files.no_new_empty_folders(tmp_path):
        (tmp_path / "old" / "a" / "b").mkdir(parents=True)
        (tmp_path / "old" / "c").mkdir()
        (tmp_path / "old" / "c" / "file").write_text("kept")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["c", "empty", "file", "old"]


@pytest.mark.parametrize("path", [None, "", 3, b"x", ["x"], "a\0b"], ids=repr)
def test_what_is_no_path_is_named(path, monkeypatch):
    """In all that takes a path of a user, before a model is converted, which can take minutes."""
    exports = [export_saved_model, export_keras, export_codes, export_tflite, export_onnx, c_source_of]
    model = mask_model(keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)]))
    monkeypatch.setattr(keras.Layer, "__call__", lambda *_, **__: pytest.fail("was converted"))
    for call in [container.save, *exports, lambda _, path: load(path), lambda _, path: load_run(path)]:
        with pytest.raises(ValueError, match="^a path must be a string or a pathlib.Path, and not empty. Received: "):
            call(model, path)


@pytest.mark.parametrize("path", ["/", ".", "/.", "//"])
def test_a_folder_is_not_replaced_by_a_file(path, tmp_path, monkeypatch):
    """The root too, which has no name."""
    monkeypatch.chdir(tmp_path)
    model = mask_model(keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)]))
    for call in (container.save, export_keras, export_codes):
        with pytest.raises(InputError, match=rf"^cannot write {path} \(Is a directory\)[^\n]*$"):
            call(model, path)
    with pytest.raises(OSError, match="Is a directory"):
        files.write(path, lambda file: pytest.fail("called"))
    assert not list(tmp_path.iterdir())


def c_source_of(model, path):
    tf_supermask.export_c(model, path, arithmetic="float")


@pytest.mark.parametrize("linked", [False, True], ids=["pipe", "link to a pipe"])
def test_a_device_or_pipe_is_not_replaced(linked, tmp_path):
    path = pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    if linked:
        path = tmp_path / "link"
        path.symlink_to(pipe)
    with pytest.raises(OSError, match="no regular file"):
        files.write(path, lambda file: file.write(b"x"))
    assert pipe.is_fifo()
