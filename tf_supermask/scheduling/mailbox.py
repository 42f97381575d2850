"""The newest checkpoints of all runs, on their way from the nodes of a cluster to the process that started the jobs.

A module of its own, so that the process that Ray makes for it imports no TensorFlow.
"""


class Mailbox:
    """Name of a job -> the files of its last checkpoint, a dict path -> bytes."""

    def __init__(self):
        self.newest, self.fresh = {}, set()

    def put(self, name, files):
        self.newest[name] = files
        self.fresh.add(name)

    def last(self, name):
        """Files of a run that was begun on a node that died."""
        return self.newest.get(name, {})

    def take(self, running):
        """Name -> new files, of the jobs whose names are in `running`; forgets all others."""
        self.newest = {name: files for name, files in self.newest.items() if name in running}
        fresh, self.fresh = self.fresh, set()
        return {name: self.newest[name] for name in fresh if name in self.newest}
