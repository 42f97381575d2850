"""Python command lines in processes of their own: forks of one that has imported TensorFlow, an import of 4 s.

A fork has arguments, a working directory, variables, standard streams and an exit status of its own, as a new interpreter has,
and imports this package anew. Only what libraries read from variables when they are imported is that of the tests, and handlers
of an exit do not run. So a command is `fresh`, a new interpreter, where that is the point of a test: what is imported, what it
prints, which backend is used; and where Ray ends with the process.
"""

import atexit
import functools
import multiprocessing
import os
import pathlib
import resource
import runpy
import signal
import subprocess
import sys
import tempfile
import types
import unittest.mock

ROOT = pathlib.Path(__file__).parent.parent


def start(*arguments, cwd=ROOT, variables=None, largest_file=None, new_session=False, fresh=False):
    """`python *arguments`, which begin with `-m MODULE` or `-c CODE`, in the background: a subprocess.Popen or a Fork.

    Its environment is that of the tests with `variables`, but for the level of messages, which commands set themselves.
    """
    environment = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    environment |= variables or {}
    command = list(map(str, arguments))
    limit = functools.partial(_limit, largest_file) if largest_file else None
    if fresh or not sys.platform.startswith("linux"):
        places = {"cwd": cwd, "env": environment, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen([sys.executable, *command], preexec_fn=limit, start_new_session=new_session, **places)
    return Fork(command, str(cwd), environment, limit, new_session)


def run(*arguments, timeout=600, **settings):
    """`python *arguments` to its end: a subprocess.CompletedProcess. Settings are those of `start`."""
    with start(*arguments, **settings) as process:
        try:
            output, errors = process.communicate(timeout=timeout)
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess(arguments, process.returncode, output, errors)


class Fork:
    """A fork with what the tests use of subprocess.Popen."""

    def __init__(self, *work):
        self.streams = [tempfile.NamedTemporaryFile("r") for _ in range(2)]
        names = [stream.name for stream in self.streams]
        self.process = _server().Process(target=_work, args=(names, *work))
        self.process.start()
        atexit.register(self.kill)  # what a failed test leaves; multiprocessing would wait for its end
        self.pid = self.process.pid

    @property
    def returncode(self):
        return self.process.exitcode

    def poll(self):
        return self.process.exitcode

    def wait(self, timeout=None):
        self.process.join(timeout)
        if self.poll() is None:
            raise subprocess.TimeoutExpired("a fork", timeout)

    def communicate(self, timeout=None):
        self.wait(timeout)
        return tuple(stream.read() for stream in self.streams)

    def send_signal(self, number):
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self):
        self.send_signal(signal.SIGKILL)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.wait()
        for stream in self.streams:
            stream.close()


@functools.cache
def _server():
    """Context of multiprocessing whose processes are forks of one that has imported libraries and called nothing of them."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["preloaded"])
    path = os.pathsep.join(filter(None, [os.path.dirname(__file__), os.environ.get("PYTHONPATH")]))
    # oneDNN as commands have it when they import TensorFlow
    with unittest.mock.patch.dict(os.environ, TF_ENABLE_ONEDNN_OPTS="1", PYTHONPATH=path):
        first = context.Process(target=int)
        first.start()
        first.join()
    return context


def _limit(largest_file):
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))


def _work(streams, command, cwd, environment, limit, new_session):
    """What a fork does in place of an interpreter."""
    for number, path in enumerate(streams, 1):
        stream = os.open(path, os.O_WRONLY | os.O_APPEND)
        os.dup2(stream, number)
        os.close(stream)
    if new_session:
        os.setsid()
    if limit:
        limit()
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    option, what, *arguments = command
    sys.argv = [option, *arguments]
    sys.path.insert(0, cwd)
    if option == "-m":
        runpy.run_module(what, run_name="__main__", alter_sys=True)
    else:
        module = sys.modules["__main__"] = types.ModuleType("__main__")
        exec(what, vars(module))
