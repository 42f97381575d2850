"""What a user sees while jobs are trained: a progress bar on a terminal, lines elsewhere."""

import time

import tqdm

from tf_supermask.experiments.duration import duration
from tf_supermask.scheduling import scheduler, status


def silent(text):
    """Discards a line of text."""


class Progress:
    """Reports jobs that other processes train: a line for each that ends, and a bar on a terminal.

    `jobs` are those of the status.Plan `plan`.
    """

    def __init__(self, jobs, plan):
        self.jobs, self.plan, self.folder = jobs, plan, jobs[0].run.results_dir
        self.states = plan.states(self.folder)
        self.ended, self.update_seconds = 0, 0.0
        total = sum(cost * (1 - before) for _, _, cost, _, before in plan.runs)
        self.bar = tqdm.tqdm(total=total, disable=None, bar_format="{percentage:3.0f} %|{bar}|{postfix}")

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.bar.close()

    def wait(self):
        """Sleeps, then updates; sleeps longer where an update takes long, so that reading files takes at most 5 % of the time."""
        time.sleep(max(scheduler.POLL, 20 * self.update_seconds))
        self.update()

    def update(self):
        """Reads the files of all jobs that have not ended; prints those that ended, and moves the bar."""
        began = time.monotonic()
        final = (status.DONE, status.FAILED)
        news = []
        for number, job in enumerate(self.jobs):
            if self.states[number].kind not in final:
                self.states[number] = self.plan.state(number, self.folder)
                news += [(job, self.states[number])] * (self.states[number].kind in final)
        left = self.plan.left(self.states, time.time())
        text = f", about {duration(left)} left" if left else ""
        for job, state in news:
            self.ended += 1
            result = "done" if state.kind == status.DONE else f"FAILED: {state.note}"
            self.bar.write(f"{job.name} ({self.ended} of {len(self.jobs)}): {result}" + text * self.bar.disable)
        running = sum(state.kind == status.RUNNING for state in self.states)
        self.bar.n, _ = self.plan.work(self.states)
        self.bar.set_postfix_str(f"{self.ended} of {len(self.jobs)} runs, {running} running{text}")
        self.update_seconds = time.monotonic() - began


class ConsoleReporter:
    """Prints lines around each run that this process trains."""

    def __init__(self, jobs, plan):
        self.jobs, self.plan, self.waiting = jobs, plan, set()

    def begin(self, position, job):
        if position not in self.waiting:
            print(f"{job.name} ({position + 1} of {len(self.jobs)})", flush=True)

    def end(self, position, job, outcome):
        if outcome == scheduler.BUSY:
            if position not in self.waiting:
                print("  another process trains it; it is tried again after the others")
            self.waiting.add(position)
        elif outcome == scheduler.FAILED:
            print(f"  failed: {scheduler.reason(job.run)}")
        elif outcome == scheduler.TRAINED:
            states = self.plan.states(job.run.results_dir)
            others = sum(state.kind in (status.WAITING, status.RUNNING) for state in states)
            left = self.plan.left(states, time.time())
            if others and left is not None:
                print(f"  about {duration(left)} left for the other {others} run{'s' * (others > 1)}")
