"""Functions run in turns, and a slow spell of the machine cancels in ratios of neighbours."""

import sys
import time

import pytest

from tf_supermask.deploy import timing


def test_functions_run_in_turns_of_about_equal_length(monkeypatch):
    """Oracle: a clock that only these functions move."""
    now, order = [0.0], []
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])

    def function(name, seconds):
        def run(repeats):
            order.append((name, repeats))
            now[0] += repeats * seconds

        return run

    fast, slow = timing.time_interleaved([function("fast", 0.25), function("slow", 1.0)], 3, 2.0)
    assert order[:4] == [("fast", 1)] * 2 + [("slow", 1)] * 2 and order[4:] == [("fast", 8), ("slow", 2)] * 3
    assert fast == [0.25] * 3 and slow == [1.0] * 3


def test_a_ratio_is_of_neighbours():
    assert timing.ratio([1.0, 10.0, 3.0], [2.0, 20.0, 2.0]) == 0.5


def test_a_call_is_repeated():
    calls = []
    timing.repeated(lambda: calls.append(1))(3)
    assert len(calls) == 3


def test_a_function_of_another_process_has_turns(tmp_path):
    script = tmp_path / "a.py"
    script.write_text(
        "import pathlib, sys\n"
        "from tf_supermask.deploy import timing\n"
        "def run(repeats):\n"
        "    print('noise')\n"
        "    with pathlib.Path(sys.argv[1]).open('a') as file: file.write(f'{10 // (repeats - 7)} ')\n"
        "timing.serve(run)\n"
    )
    with timing.Served([sys.executable, str(script), str(tmp_path / "out")]) as run:
        run(8), run(9)
        assert (tmp_path / "out").read_text() == "10 5 "
        with pytest.raises(RuntimeError, match="a.py .* ended with exit status 1"):
            run(7)
    assert run.process.returncode == 1
