"""Files are whole or not there."""

import hashlib

import numpy as np
import pytest

from tf_supermask import files


def test_a_writer_that_fails_leaves_the_earlier_file(tmp_path):
    path = tmp_path / "folder" / "x"
    files.write(path, lambda file: file.write(b"first"))

    def failing(file):
        file.write(b"sec")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        files.write(path, failing)
    assert path.read_bytes() == b"first" and [entry.name for entry in path.parent.iterdir()] == ["x"]


def test_damaged_files_are_renamed_and_none_is_lost(tmp_path):
    for content in ("one", "two", "three"):
        (tmp_path / "x").write_text(content)
        files.quarantine(tmp_path / "x")
    names = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert names == {"x.damaged": "one", "x.damaged2": "two", "x.damaged3": "three"}


def test_hashes_are_of_the_values():
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert files.sha256(array.T) == hashlib.sha256(array.T.copy().tobytes()).hexdigest() != files.sha256(array)
