"""Runs on a real Ray cluster of two nodes on this machine, one of which is killed; CLUSTER_RUNS says how many."""

import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import threading

import pytest
from processes import leftovers, outcome, start, wait_for

from tf_supermask import files
from tf_supermask.experiments import records
from tf_supermask.scheduling import cluster as cluster_module

ray = pytest.importorskip("ray", reason="ray is not installed: pip install -e '.[ray]'")
RUNS = int(os.environ.get("CLUSTER_RUNS", 4))
FLAGS = ("--model=fcn", "--dataset=digits8", "--epochs=2", "--nojit_compile", "--deterministic", "--progress=silent")


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def descendants(process):
    """A process and all that it started."""
    children = {}
    for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(path.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        children.setdefault(parent, []).append(int(path.parent.name))
    family = [process]
    for member in family:
        family += children.get(member, [])
    return family


class Node:
    """A node of a Ray cluster with one processor."""

    def __init__(self, folder, *arguments):
        command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block", "--num-cpus=1", *arguments]
        self.log = open(folder, "w")
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log)

    def kill(self):
        for process in reversed(descendants(self.process.pid)):
            try:
                os.kill(process, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait()
        self.log.close()


@pytest.fixture
def cluster(tmp_path):
    """`(address, head, worker)`."""
    address = f"127.0.0.1:{free_port()}"
    temporary = f"--temp-dir=/tmp/ray{os.getpid()}"  # paths of sockets are short
    port = f"--port={address.partition(':')[2]}"
    head = Node(tmp_path / "head.log", "--head", port, "--include-dashboard=false", temporary)
    worker = None
    try:
        wait_for(lambda: "Ray runtime started" in (tmp_path / "head.log").read_text(), head.process)
        worker = Node(tmp_path / "worker.log", f"--address={address}")
        wait_for(lambda: "Ray runtime started" in (tmp_path / "worker.log").read_text(), worker.process)
        yield address, head, worker
    finally:
        for node in filter(None, (worker, head)):
            node.kill()


def test_a_node_is_killed_and_every_run_is_recorded_as_if_trained_here(cluster, main, tmp_path):
    """Seeds of a run, chains that begin with one dense run, and a run that fails; oneDNN is off, as its variable says here."""
    address, _, worker = cluster
    lottery = ("--mode=lottery", "--scale=quick", "--rounds=1", "--iterations=100", "--criterion=large_final,random")
    plain = ("# seeds", "--experiment=plain", *FLAGS, "--scale=quick", f"--seeds=0-{RUNS - 1}")
    bad = ("# diverges", "--experiment=bad", "--scale=quick", *FLAGS, "--mode=baseline", "--learning_rate=1e30")
    good = ("# chains on one dense run", "--experiment=good", *lottery)
    rows = {"plain": plain, "good": good, "bad": (*bad, "--weight_decay=0")}
    for name, lines in rows.items():
        (tmp_path / f"{name}.flags").write_text("\n".join(lines))
    flags = (*(tmp_path / f"{name}.flags" for name in rows), "--deterministic")
    remote = (*flags, "--executor=ray", f"--ray_address={address}", f"--results_dir={tmp_path}/ray")
    with start(*remote, fresh=True, variables={"TF_ENABLE_ONEDNN_OPTS": "0"}) as process:
        try:
            wait_for(lambda: len(list(tmp_path.glob("ray/*/seed*.json"))) >= max(1, RUNS // 5), process, seconds=400)
            worker.kill()
            out, err = process.communicate(timeout=400)
        finally:
            process.kill()
    assert process.returncode == 2 and f"1 of {RUNS + 3} runs failed: bad, seed 0 (the training diverged" in err
    assert out.count(": done") == RUNS + 2 and f"({RUNS + 3} of {RUNS + 3}): " in out
    assert "Traceback" in (tmp_path / "ray" / "bad" / "seed0.error").read_text()
    assert {json.loads(path.read_text())["environment"]["onednn"] for path in tmp_path.glob("ray/*/*.json")} == {"0"}
    main(*flags, f"--results_dir={tmp_path}/local", ok=False, variables={"TF_ENABLE_ONEDNN_OPTS": "0"}, fresh=True)
    here, there = outcome(tmp_path / "local"), outcome(tmp_path / "ray")
    assert len(here) == RUNS + 3 and here == there and not leftovers(tmp_path / "ray")


def test_checkpoints_come_back_while_a_run_goes_on(tmp_path):
    run = records.Run(tmp_path / "node", "x", 0)
    sent, ended = [], threading.Event()
    thread = threading.Thread(target=cluster_module._send, args=(ended, 0.0, run, sent.append))
    thread.start()
    for epoch in (1, 2):
        files.write(run.history, lambda file, epoch=epoch: file.write(b"header\n" + b"row\n" * epoch))
        files.write(run.checkpoint, lambda file, epoch=epoch: file.write(b"checkpoint %d" % epoch))
        wait_for(lambda epoch=epoch: len(sent) == epoch)
    ended.set()
    thread.join()
    assert list(sent[-1]) == ["x/seed0.csv", "x/seed0.ckpt.npz"] and sent[-1]["x/seed0.ckpt.npz"] == b"checkpoint 2"
    cluster_module.write(sent[-1], tmp_path / "driver")
    assert (tmp_path / "driver" / "x" / "seed0.csv").read_bytes() == b"header\nrow\nrow\n"


def test_without_a_cluster(main, tmp_path):
    done = main("--executor=ray", "--dataset=digits", f"--results_dir={tmp_path}", ok=False, fresh=True)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1
    assert "no Ray cluster at the default address" in done.stderr and "ray start --head" in done.stderr
