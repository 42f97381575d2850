"""How far a set of runs is, on a terminal or as lines."""

import time

import tqdm

from tf_supermask.experiments.callbacks import duration
from tf_supermask.scheduling import scheduler, status


def silent(text):
    """Says nothing."""


class Progress:
    """Tells when a run ends, and how far all are: by a bar on a terminal, else with each run that ends."""

    def __init__(self, units, plan):
        self.units, self.plan, self.folder = units, plan, units[0].run.results_dir
        self.states = plan.states(self.folder)
        self.ended, self.took = 0, 0.0
        total = sum(cost * (1 - before) for _, _, cost, _, before in plan.runs)
        self.bar = tqdm.tqdm(total=total, disable=None, bar_format="{percentage:3.0f} %|{bar}|{postfix}")

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.bar.close()

    def wait(self):
        """Looks at the files after a moment, which is long where there are many."""
        time.sleep(max(scheduler.POLL, 20 * self.took))
        self.update()

    def update(self):
        began = time.monotonic()
        over = (status.DONE, status.FAILED)
        news = []
        for number, unit in enumerate(self.units):
            if self.states[number].kind not in over:
                self.states[number] = self.plan.state(number, self.folder)
                news += [(unit, self.states[number])] * (self.states[number].kind in over)
        left = self.plan.left(self.states, time.time())
        text = f", about {duration(left)} left" if left else ""
        for unit, state in news:
            self.ended += 1
            what = "done" if state.kind == status.DONE else f"FAILED: {state.note}"
            self.bar.write(f"{unit.name} ({self.ended} of {len(self.units)}): {what}" + text * self.bar.disable)
        running = sum(state.kind == status.RUNNING for state in self.states)
        self.bar.n, _ = self.plan.work(self.states)
        self.bar.set_postfix_str(f"{self.ended} of {len(self.units)} runs, {running} running{text}")
        self.took = time.monotonic() - began


class ConsoleReporter:
    """What a walk in this process says around each run."""

    def __init__(self, units, plan):
        self.units, self.plan, self.waiting = units, plan, set()

    def begin(self, position, unit):
        if position not in self.waiting:
            print(f"{unit.name} ({position + 1} of {len(self.units)})", flush=True)

    def end(self, position, unit, outcome):
        if outcome == scheduler.BUSY:
            if position not in self.waiting:
                print("  another process trains it; looked at again after the others")
            self.waiting.add(position)
        elif outcome == scheduler.FAILED:
            print(f"  failed: {scheduler.reason(unit.run)}")
        elif outcome == scheduler.TRAINED:
            states = self.plan.states(unit.run.results_dir)
            others = sum(its.kind in (status.WAITING, status.RUNNING) for its in states)
            left = self.plan.left(states, time.time())
            if others and left is not None:
                print(f"  about {duration(left)} left for the other {others} run{'s' * (others > 1)}")
