"""What a record holds of the machine and the source tree."""

import pathlib
import subprocess

import tf_supermask
from tf_supermask.experiments import environment, machines


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
    git("commit", "-m", "a copy at the top of another project")
    assert commit(own) is None
    settings = tmp_path / "setup.cfg"
    for text in ("[metadata]\nname = other\n", "[flake8]\n", "name", "[metadata]\nname = \xff", ""):
        settings.write_text(text, "latin-1")
        git("add", "setup.cfg")
        git("commit", "-m", "of that project")
        assert commit(own) is None
    settings.write_text("[metadata]\nname = tf_supermask\nversion = %(x\n")
    git("rm", "--cached", "setup.cfg")
    git("commit", "-m", "not tracked")
    assert commit(own) is None
    git("add", "setup.cfg")
    git("commit", "-m", "this project")
    assert commit(own) == git("rev-parse", "HEAD") and commit(installed) is None
    (own / "records.py").write_text("changed")
    assert commit(own) == git("rev-parse", "HEAD") + "+"


def test_the_name_of_the_project_is_that_of_the_package():
    package = pathlib.Path(tf_supermask.__file__).parent
    assert environment._project(package.with_name("setup.cfg")) == package.name == "tf_supermask"


def test_a_record_says_whether_onednn_was_on_and_names_the_processor(monkeypatch, tmp_path):
    info = tmp_path / "cpuinfo"
    info.write_text("processor\t: 0\nmodel name\t: Some CPU\nflags\t\t: fpu avx2 fma sse2\n")
    assert environment.processor(info) == "Some CPU avx2 fma"
    assert isinstance(environment.processor(tmp_path / "absent"), str)
    names = set()
    for value, effect in {"0": "0", "False": "0", "1": "1", "true": "1", "on": None, "": None}.items():
        monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", value)
        assert environment.current_environment()["onednn"] == effect
        names.update(machines.with_this(tmp_path / "absent"))
    monkeypatch.delenv("TF_ENABLE_ONEDNN_OPTS")
    assert environment.current_environment()["onednn"] is None
    assert len(names) == 3  # a run that goes on without oneDNN is noted


def test_a_record_of_a_gpu_says_whether_its_products_are_rounded(monkeypatch):
    assert "tf32" not in environment.current_environment()
    monkeypatch.setattr(environment.tf.config, "list_physical_devices", lambda kind: ["the first"])
    monkeypatch.setattr(environment.tf.config.experimental, "get_device_details", lambda gpu: {"device_name": "H"})
    assert environment.current_environment()["device"] == "H" and environment.current_environment()["tf32"] is True
    monkeypatch.setenv("NVIDIA_TF32_OVERRIDE", "0")
    assert environment.current_environment()["tf32"] is False
