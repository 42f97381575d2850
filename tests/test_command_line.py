"""Commands end with an error of one line."""

import os
import subprocess
import sys

import commands
import pytest
from absl import flags
from conftest import ROOT

from tf_supermask import command_line


def test_errors_are_one_line_and_an_exit_status(capsys):
    with pytest.raises(SystemExit) as stop:
        command_line.fail("a\n  message  of lines", 3)
    assert stop.value.code == 3 and capsys.readouterr().err == "error: a message of lines\n"


def test_wrong_flags_are_one_line(monkeypatch, capsys):
    values = flags.FlagValues()
    flags.DEFINE_integer("images", None, "a number", lower_bound=1, flag_values=values)
    monkeypatch.setattr(command_line.flags, "FLAGS", values)
    assert command_line.parse(["command", "--images=2", "file"]) == ["command", "file"] and values.images == 2
    for given in ("--images=0", "--nosuch=1"):
        with pytest.raises(SystemExit):
            command_line.parse(["command", given])
        error = capsys.readouterr().err
        assert error.startswith("error: ") and given.split("=")[0][2:] in error and error.count("\n") == 1


def test_help_is_no_error_and_names_no_folder(monkeypatch, capsys):
    values = flags.FlagValues()
    flags.DEFINE_integer("images", None, "a number", flag_values=values)
    values.register_key_flag_for_module("/somewhere/command.py", values["images"])
    monkeypatch.setattr(command_line.flags, "FLAGS", values)
    monkeypatch.setattr(command_line.sys, "argv", ["/somewhere/command.py", "--help"])
    with pytest.raises(SystemExit) as stop:
        command_line.parse(["command", "--help"])
    said = capsys.readouterr().out
    assert stop.value.code == 0 and "--images: a number" in said and "somewhere" not in said


@pytest.mark.parametrize("command", ["main", "report", "export", "inspect"])
def test_help_and_wrong_flags_are_answered_without_tensorflow(command):
    for given, status in (("--help", 0), ("--nosuch=1", 2)):
        code = f"import runpy, sys\nsys.argv = ['', {given!r}]\n"
        code += f"try: runpy.run_module('tf_supermask.{command}', run_name='__main__')\n"
        code += "finally: assert not {'tensorflow', 'keras', 'pandas'} & set(sys.modules)"
        done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == status and (done.stdout if given == "--help" else done.stderr.startswith("error: "))


def test_ctrl_c_during_an_import_acts_after_it_and_is_one_line():
    code = "import os, signal\nfrom tf_supermask import command_line\n"
    code += "with command_line.output_may_be_closed(), command_line.interrupted_afterwards():\n"
    code += "    os.kill(os.getpid(), signal.SIGINT); print('imported')"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (done.stdout, done.stderr, done.returncode) == ("imported\n", "error: stopped\n", 130)


@pytest.mark.parametrize("flag", ["--help", "--status"])
def test_a_reader_that_has_read_enough_is_no_error(flag, tmp_path):
    command = [sys.executable, "-m", "tf_supermask.main", flag]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        process.stdout.close()
        assert process.stderr.read() == "" and process.wait() == 128 + 13


def test_a_setting_of_onednn_that_tensorflow_would_ignore_is_refused(monkeypatch):
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "on")
    with pytest.raises(command_line.InputError, match="must be 0 or 1, or not be set. Received: 'on'"):
        with command_line.silence_tensorflow():
            pass


@pytest.mark.parametrize("level, shown", [("3", ""), ("0", "noise")])
def test_an_import_is_silent_unless_messages_are_asked_for(level, shown, monkeypatch, capfd):
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", level)
    with command_line.silence_tensorflow():
        os.write(2, b"noise")
    assert capfd.readouterr().err == shown


def test_a_command_loads_what_only_keras_wants_when_it_is_needed():
    script = """
import sys
from tf_supermask.command_line import silence_tensorflow
with silence_tensorflow():
    import keras, tensorflow
assert not {"sklearn", "matplotlib", "pandas"} & sys.modules.keys()
import matplotlib.pyplot, pandas, sklearn.base
"""
    done = commands.run("-c", script, fresh=True)
    assert (done.returncode, done.stderr) == (0, "")
