"""Shared by all tests: no data set of another machine, no cache of the user, one small data set in memory."""

import os
import pathlib
import signal

import commands
import hypothesis
import numpy as np
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")  # more of them split sums in ways that change the last digits
hypothesis.settings.register_profile("any machine", deadline=None)  # a busy one must not fail a test
hypothesis.settings.load_profile("any machine")
ROOT = commands.ROOT
signal.signal(
    signal.SIGINT, signal.default_int_handler
)  # a shell's background jobs ignore Ctrl-C, and so does what they start


def pytest_collection_modifyitems(items):
    """The longest files first: as the last ones of a worker they would leave the others idle."""
    long = ("test_report.py", "test_main.py", "test_training.py")
    items.sort(key=lambda item: "scheduling" not in item.path.parts and item.path.name not in long)


@pytest.fixture(autouse=True)
def no_user_cache(monkeypatch, tmp_path, tmp_path_factory, request):
    """A cache for each test; one for all that read real data, which takes 5 s to decode: of all workers, where there are some."""
    base = tmp_path_factory.getbasetemp()
    real = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "real_data"
    monkeypatch.setenv("XDG_CACHE_HOME", str(real if "real_data" in request.fixturenames else tmp_path / "cache"))


@pytest.fixture(scope="session")
def tiny():
    """64 training and 32 test images of 8x8 in 10 classes: noise, and a bright pair of pixels whose place is the class."""

    # not above: the process that only hands tests out needs no TensorFlow
    from tf_supermask.experiments.data import Dataset

    draw = np.random.default_rng(0)
    labels = np.arange(96, dtype=np.int32) % 10
    images = draw.integers(0, 120, (96, 8, 8, 1)).astype(np.uint8)
    images[np.arange(96), labels % 5, labels // 5] += 130
    images[np.arange(96), 7 - labels % 5, 3 + labels // 5] += 130
    return Dataset(images[:64], labels[:64], images[64:], labels[64:], classes=10)


@pytest.fixture(scope="session")
def real_data():
    """Folder of prepared tensorflow-datasets with MNIST and CIFAR-10; tests that need it are skipped without."""
    folder = os.environ.get("TFDS_DATA_DIR")
    if not folder or not pathlib.Path(folder, "mnist").exists():
        pytest.skip("real data: TFDS_DATA_DIR names no folder with prepared MNIST and CIFAR-10")
    return str(pathlib.Path(folder).resolve())


@pytest.fixture
def main():
    """Runs `python -m tf_supermask.main` in a process of its own: main(*flags, ok=True, **settings of commands.start)."""

    def run(*flags, ok=True, **kwargs):
        done = commands.run("-m", "tf_supermask.main", *flags, **kwargs)
        assert (done.returncode == 0) == ok, done.stdout + done.stderr
        return done

    return run
