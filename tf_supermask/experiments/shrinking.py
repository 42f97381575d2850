"""When a run goes on with a smaller network, and the whole network that its record and its masks are of.

At the end of an epoch, units that are dead for good are removed (`deploy.shrinking`) where it pays: the multiplications that are
left fall below a share of the present network's, and those saved in the epochs to come are worth compiling once more. Both are
functions of the Spec, the data set and the scores, never of a measured time, so that a run that is resumed shrinks where an
undisturbed one does.
"""

import keras
import numpy as np

from tf_supermask import sparsity
from tf_supermask.deploy.shrinking import Shrinker

SHARE = 0.65  # of the present multiplications, at most so many are left: on FCN two shrinkings, and a third of them in the end
COMPILING = 4e11  # multiplications that make up for compiling, which takes 2 to 6 s: up to 9 epochs of FCN on 2 cores
_PASSES = 3  # products of a training step: forward, gradients of the inputs, gradients of the kernel


class Shrinking:
    """The whole network of a run, and the smaller one that is trained in its place.

    Deviation: the scores of a removed unit stay as they were when it was removed; in the paper they decay on. Their masks are 0
    both ways, and no file of a finished run has scores.

    Args:
        model: the whole network, compiled; it takes up what the smaller one learns with `write_back`.
        images: training images that an epoch has.
    """

    def __init__(self, spec, model, images):
        self.spec, self.whole, self.images = spec, model, images
        self.live = None  # masked layer -> bool array of its units that are left, None for all
        self.events = []  # of the record: epochs done, masked layer -> units that are left
        self._shrunk = self._shrinker = None
        if spec.shrink and self._pays(0, sparsity.multiply_adds(model), 0):
            self._shrinker = Shrinker(model)

    def _pays(self, done, before, after):
        saved = (before - after) * _PASSES * self.images * (self.spec.epochs - done)
        return after <= SHARE * before and saved >= COMPILING

    def due(self, done):
        """The units that are left, as `Shrinker.live`, if it pays to remove the others after `done` epochs; else None."""
        if self._shrinker is None:
            return None
        live = self._shrinker.live()
        every = {name: np.ones(units.size, bool) for name, units in live.items()}
        before, after = map(self._shrinker.multiply_adds, (self.live or every, live))
        return live if self._pays(done, before, after) else None

    def network(self, done):
        """The compiled network that trains on after `done` epochs: the present one, or a smaller one."""
        live = self.due(done)
        if live is not None:
            self.live, self._shrunk = live, None
            self.events.append({"epoch": done, "units": {name: int(units.sum()) for name, units in live.items()}})
        if self.live is None:
            return self.whole
        if self._shrunk is None:
            self._shrunk = self._shrinker.shrunk(self.live)
        return self._shrunk.model

    def write_back(self):
        """Brings the whole network, and its optimizer, up to date."""
        if self._shrunk is not None:
            self._shrunk.write_back(self.whole)

    def state(self):
        """What a checkpoint has to keep beside the whole network, for JSON; None where nothing was removed."""
        if self.live is None:
            return None
        live = {name: np.flatnonzero(units).tolist() for name, units in self.live.items()}
        return {"events": self.events, "live": live}

    def restore(self, state):
        """Goes on from `state()`. The whole network must have its values already."""
        if state is not None:
            self.events = state["events"]
            sizes = {layer.name: sparsity.kernel_shape(layer)[-1] for layer in sparsity.masked_layers(self.whole)}
            self.live = {name: np.isin(np.arange(sizes[name]), units) for name, units in state["live"].items()}


def units_text(units):
    """206-99-10, of masked layer -> number of its units."""
    return "-".join(map(str, units.values()))


def event_text(event):
    """In words: an entry of `Shrinking.events`, and so of the record."""
    return f"after epoch {event['epoch']} its layers have {units_text(event['units'])} units, all others are dead"


class Shrink(keras.callbacks.Callback):
    """Brings the whole network up to date after each epoch, and ends `fit` where a smaller one is due."""

    def __init__(self, shrinking):
        super().__init__()
        self.shrinking = shrinking

    def on_epoch_end(self, epoch, logs=None):
        self.shrinking.write_back()
        if self.shrinking.due(epoch + 1) is not None:
            self.model.stop_training = True
