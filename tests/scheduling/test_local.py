"""Several processes: equal results, and what is left after kill -9, Ctrl-C and a full disk."""

import os
import pathlib
import random
import signal
import socket
import subprocess
import sys
import time

import commands
import pytest
from conftest import ROOT
from processes import LONG, NAME, SHORT, leftovers, outcome, running, start, wait_for

from tf_supermask.scheduling import local, locks, status


def test_any_number_of_jobs_gives_the_same_bits(main, tmp_path):
    flags = (*SHORT, "--epochs=6", "--shuffle", "--seeds=0-2", "--deterministic")
    done = main(*flags, "--jobs=2", f"--results_dir={tmp_path}/two")
    assert done.stderr == "" and "(3 of 3): done" in done.stdout and "mean [5 %, 95 %]" in done.stdout
    main(*flags, f"--results_dir={tmp_path}/one")
    one, two = outcome(tmp_path / "one"), outcome(tmp_path / "two")
    assert len(one) == 3 and one == two and not leftovers(tmp_path)
    files = [[path.read_bytes() for path in sorted((tmp_path / n / NAME).glob("*.supermask"))] for n in ("one", "two")]
    assert files[0] == files[1]  # also in the names of layers, which do not tell what a process built before
    assert list(status.report(tmp_path / "two")) == [f"{tmp_path}/two: 3 done, 0 running, 0 waiting, 0 failed"]


def server_of(process):
    """ID of the process of which the jobs of a command are forks, or None."""
    children = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    commands_of = {child: pathlib.Path(f"/proc/{child}/cmdline").read_text() for child in children}
    return next((int(child) for child, line in commands_of.items() if "forkserver" in line and "main(" in line), None)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.parametrize(
    "number, to, seconds",
    [(signal.SIGINT, "all", 1), (signal.SIGKILL, "server", 1), (signal.SIGKILL, "first", 0.1)],
)
def test_signals_while_the_server_loads_are_one_line(number, to, seconds, tmp_path):
    process = start(*LONG, "--seeds=0-2", "--jobs=2", f"--results_dir={tmp_path}", new_session=True)
    wait_for(lambda: server_of(process), process)
    server = server_of(process)
    time.sleep(seconds)
    os.killpg(process.pid, number) if to == "all" else os.kill(server if to == "server" else process.pid, number)
    _, err = process.communicate(timeout=60)
    said = {"all": "stopped; ", "server": "the process of which the others are forks was killed; ", "first": ""}[to]
    assert err == (said and f"error: {said}the same command continues from the last checkpoint{'s' * (to == 'server')}\n")
    assert process.returncode == {"all": 130, "server": 2, "first": -9}[to]
    wait_for(lambda: not running(server), seconds=30)


def test_closed_streams_and_a_reader_that_has_read_enough(tmp_path):
    command = [sys.executable, "-m", "tf_supermask.main"]
    closed = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *command, *SHORT, "--seeds=0-1", "--jobs=2"]
    assert subprocess.run([*closed, f"--results_dir={tmp_path}"], cwd=ROOT).returncode == 0 and len(outcome(tmp_path)) == 2
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([*command, *LONG, f"--results_dir={tmp_path}/read"], cwd=ROOT, **pipes) as process:
        assert process.stdout.readline() == f"{NAME}, seed 0 (1 of 1)\n"
        process.stdout.close()
        assert process.stderr.read() == "" and process.wait() == 128 + signal.SIGPIPE


def test_a_server_that_is_killed_later_is_named_and_a_job_that_is_asked_to_stop_is_replaced(tmp_path):
    process = start(*LONG, "--seeds=0-2", "--jobs=2", f"--results_dir={tmp_path}")

    def workers():
        return {owner[1] for owner in map(locks.written_by, tmp_path.glob("*/seed*.lock")) if owner}

    wait_for(lambda: len(list(tmp_path.glob("*/seed*.ckpt.npz"))) == 2, process)
    first = workers()
    for worker in first:
        os.kill(worker, signal.SIGTERM)
    wait_for(lambda: len(workers() - first) == 2 and not any(map(running, first)), process)
    os.kill(server_of(process), signal.SIGKILL)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 2 and err.startswith("error: the process of which the others are forks was killed; the")
    wait_for(lambda: not any(map(running, workers())), seconds=30)


def test_new_processes_train_as_forks_do(tmp_path):
    """As on a machine with a GPU, whose library does not survive a fork."""
    script = """
import multiprocessing, runpy, sys
from tf_supermask.scheduling import local
local.context_of = lambda gpu: multiprocessing.get_context("spawn")
sys.argv = ["main", *sys.argv[1:]]
runpy.run_module("tf_supermask.main", run_name="__main__")
"""
    flags = (*SHORT, "--seeds=0-1", "--jobs=2", f"--results_dir={tmp_path}")
    done = commands.run("-c", script, *flags, fresh=True)
    assert done.returncode == 0 and len(outcome(tmp_path)) == 2, done.stderr
    assert [local.context_of(gpu).get_start_method() for gpu in (True, False)] == ["spawn", "forkserver"]


def test_two_invocations_share_the_runs_and_both_end_with_all(tmp_path):
    flags = (*SHORT, "--seeds=0-3", f"--results_dir={tmp_path}")
    outputs = [process.communicate(timeout=300) for process in (start(*flags), start(*flags))]
    assert sum(out.count("one epoch takes about") for out, _ in outputs) == 4, outputs
    assert all("mean [5 %, 95 %]" in out for out, _ in outputs) and len(outcome(tmp_path)) == 4
    assert not leftovers(tmp_path)


def test_a_failed_run_leaves_its_reason_and_the_others_go_on(main, tmp_path):
    row = ("# diverges", "--experiment=bad", "--mode=baseline", *SHORT, "--learning_rate=1e30", "--weight_decay=0")
    (tmp_path / "bad.flags").write_text("\n".join(row))
    (tmp_path / "good.flags").write_text("\n".join(("# trains", "--experiment=good", "--mode=baseline", *SHORT)))
    rows = (tmp_path / "bad.flags", tmp_path / "good.flags", f"--results_dir={tmp_path}/r")
    done = main(*rows, "--jobs=2", ok=False)
    assert done.returncode == 2 and "error: 1 of 2 runs failed: bad, seed 0 (the training diverged" in done.stderr
    assert "good, seed 0 (" in done.stdout and (tmp_path / "r" / "good" / "seed0.json").exists()
    reason, _, details = (tmp_path / "r" / "bad" / "seed0.error").read_text().partition("\n")
    assert "the training diverged in epoch 1" in reason and "Traceback" in details
    text = "\n".join(status.report(tmp_path / "r"))
    assert "1 done, 0 running, 0 waiting, 1 failed" in text and "failed   bad, seed 0: the training diverged" in text
    (tmp_path / "good.flags").unlink()
    main(rows[0], rows[2], "--learning_rate=.01")  # an error of the past does not count
    assert not (tmp_path / "r" / "bad" / "seed0.error").exists()


def test_a_killed_job_fails_alone_status_tells_and_ctrl_c_stops_all(tmp_path):
    process = start(*LONG, "--seeds=0-3", "--jobs=2", f"--results_dir={tmp_path}")
    wait_for(lambda: len(list(tmp_path.glob("*/seed*.ckpt.npz"))) == 2, process)
    victim, _ = sorted(tmp_path.glob("*/seed*.lock"))
    text = "\n".join(status.report(tmp_path))
    assert "0 done, 2 running, 2 waiting, 0 failed" in text and f"waiting  {NAME}, seeds 2-3" in text
    assert f"running  {NAME}, seed 0: " in text and " %, on " in text and " left" in text
    assert f"scheduler on {socket.gethostname()}, process {process.pid}, started " in text
    os.kill(locks.written_by(victim)[1], signal.SIGKILL)
    wait_for(lambda: (tmp_path / NAME / "seed2.ckpt.npz").exists(), process)
    workers = [locks.written_by(path)[1] for path in tmp_path.glob("*/seed*.lock")]
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130 and err == "error: stopped; the same command continues from the last checkpoint\n"
    assert f"{NAME}, seed 0 (1 of 4): FAILED: the process that trained it was killed by signal 9" in out
    assert not any(map(running, workers)) and [path.name for path in tmp_path.glob("*/*.lock")] == [victim.name]


def test_jobs_end_with_the_process_that_started_them(tmp_path):
    process = start(*LONG, "--seeds=0-2", "--jobs=2", f"--results_dir={tmp_path}")
    wait_for(lambda: len(list(tmp_path.glob("*/seed*.ckpt.npz"))) == 2, process)
    workers = [locks.written_by(path)[1] for path in tmp_path.glob("*/seed*.lock")]
    process.kill()
    process.communicate()
    wait_for(lambda: not any(map(running, workers)), seconds=30)


# ---------------------------------------------------------------------------------------------------------------------
# Never lost, never twice


def test_killed_at_random_moments_nothing_is_lost(main, tmp_path):
    """Kills the first process, a job, or all of them, and starts again; STRESS_KILLS says how often."""
    kills, draw = int(os.environ.get("STRESS_KILLS", 1)), random.Random(os.environ.get("STRESS_SEED", 0))
    flags = (
        "--dataset=digits",
        f"--epochs={20 + 8 * kills}",
        "--nojit_compile",
        "--progress=silent",
        "--checkpoint_seconds=0",
    )
    flags = (*flags, "--seeds=0-2", "--deterministic")

    def epochs():
        finished = len(list(tmp_path.glob("killed/*/seed*.json")))
        return (21 + 8 * kills) * finished + sum(
            path.read_bytes().count(b"\n") for path in tmp_path.glob("killed/*/seed*.csv")
        )

    for number in range(kills):
        with start(*flags, "--jobs=2", f"--results_dir={tmp_path}/killed", new_session=True) as process:
            enough = epochs() + draw.randint(1, 6)
            wait_for(lambda enough=enough: epochs() >= enough, process)
            time.sleep(draw.uniform(0, 0.1))
            assert process.poll() is None, f"all was done after {number} kills"
            owners = filter(None, map(locks.written_by, tmp_path.glob("killed/*/seed*.lock")))
            owners = [owner for _, owner in owners if running(owner)]
            which = draw.choice(("first", "job", "all"))
            if which == "job" and owners:
                os.kill(draw.choice(owners), signal.SIGKILL)
                time.sleep(draw.uniform(0, 2))
            if which == "all":
                os.killpg(process.pid, signal.SIGKILL)
            process.kill()
    main(*flags, "--jobs=2", f"--results_dir={tmp_path}/killed")
    main(*flags, f"--results_dir={tmp_path}/whole")
    assert outcome(tmp_path / "killed") == outcome(tmp_path / "whole")


def test_jobs_on_a_disk_that_fills_up_keep_what_was_recorded(main, tmp_path):
    main(*SHORT, f"--results_dir={tmp_path}")
    before = {path: path.read_bytes() for path in (tmp_path / NAME).iterdir()}
    flags = (*SHORT, "--seeds=0-3", "--jobs=2", f"--results_dir={tmp_path}")
    done = main(*flags, ok=False, largest_file=300_000)
    assert done.returncode == 2 and "File too large" in done.stderr and "Traceback" not in done.stderr
    assert {path: path.read_bytes() for path in before} == before and not leftovers(tmp_path)
