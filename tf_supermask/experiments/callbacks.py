"""Callbacks that Keras does not have: history of a record, checkpoint, estimate of the time left."""

import math
import time

import keras
import numpy as np

from tf_supermask import sparsity
from tf_supermask.errors import InputError
from tf_supermask.experiments import form, records
from tf_supermask.experiments.duration import duration

COLUMNS = form.EPOCHS


class History(keras.callbacks.Callback):
    """Adds remaining weights, learning rate and seconds to Keras' logs, and collects the columns of the record.

    Deviation: the test loss is the mean over images; the authors average over batches, of which the last is smaller.
    Seconds are those of training, evaluation and counting, as in the paper; writing files is not in them.

    `whole`: the network whose weights are counted, where the one that is trained is a part of it.
    """

    def __init__(self, history, images, whole=None):
        super().__init__()
        self.history, self.images, self.whole = history, images, whole
        self.began = None

    def on_epoch_begin(self, epoch, logs=None):
        self.began = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        logs["remaining"] = remaining(self.model, self.whole)
        logs["learning_rate"] = float(self.model.optimizer.learning_rate)
        logs["seconds"] = time.perf_counter() - self.began
        row = {
            "train_loss": logs["loss"],
            "train_accuracy": _percent(logs["accuracy"], self.images["train"]),
            "test_loss": logs["val_loss"],
            "test_accuracy": _percent(logs["val_accuracy"], self.images["test"]),
            **{name: logs[name] for name in ("remaining", "learning_rate", "seconds")},
        }
        check_finite(f"in epoch {epoch + 1}", row, self.model.trainable_variables)
        for name, value in row.items():
            self.history[name].append(value)


class Diverged(InputError):
    """The loss, another measure or a weight is not a finite number."""


def check_finite(when, measures, variables=()):
    """Raises Diverged for a measure that is not a finite number, and for a variable with such values.

    The loss alone does not show all: a score that is not a number has mask 0, as a pruned one.
    """
    wrong = [f"{name.replace('_', ' ')} {value}" for name, value in measures.items() if not np.isfinite(value)]
    wrong += [
        f"{variable.path} has values that are no numbers" for variable in variables if not np.isfinite(variable).all()
    ]
    if wrong:
        raise Diverged(f"the training diverged {when}: {wrong[0]}; a smaller --learning_rate may help")


def _percent(share, count):
    """Accuracy in percent of a float32 share of `count` images: the number of correct images is an integer."""
    return 100 * round(share * count) / count


def remaining(model, whole=None):
    """Remaining weights of a model in percent; 100 for a baseline. `whole`: the model of which it is a part, without weights that
    are pruned."""
    masks = sparsity.masks_of(model).values()
    size = sum(math.prod(sparsity.kernel_shape(layer)) for layer in sparsity.masked_layers(whole or model))
    return 100 * sum(map(np.count_nonzero, masks)) / size if size else 100.0


class Checkpoint(keras.callbacks.Callback):
    """Saves all variables of the whole network and the history after an epoch, `seconds` or more after the last time."""

    def __init__(self, run, spec, history, seconds, shrinking):
        super().__init__()
        self.run, self.spec, self.history, self.seconds, self.shrinking = run, spec, history, seconds, shrinking
        self.last = time.monotonic()

    def on_epoch_end(self, epoch, logs=None):
        if time.monotonic() - self.last >= self.seconds:
            shrunk = {} if (state := self.shrinking.state()) is None else {"shrunk": state}
            records.save_checkpoint(self.run, self.spec, values_of(self.shrinking.whole), self.history, **shrunk)
            self.last = time.monotonic()


_RECENT = 5  # epochs, at most, whose mean duration is that of those to come
_SHARE, _SECONDS = 0.2, 3  # an end is as promised if it is off by this share of the time that is left, or by so many seconds


class Estimate(keras.callbacks.Callback):
    """Logs how long an epoch and the rest of the run take; `log(text)` receives the line.

    It does so after the first epoch; after the second one where all steps of the first are one call, whose time is that of
    tracing and compiling, too. It does so again as soon as the end is no longer as promised: the first epoch was unlike the
    others, the machine has other work, the network has shrunk.
    """

    def __init__(self, spec, log):
        super().__init__()
        self.spec, self.log, self.promised = spec, log, math.nan

    def on_train_begin(self, logs=None):
        self.calls, self.ends = {"train": [], "test": []}, []

    def on_train_batch_end(self, batch, logs=None):
        self._add("train", batch)

    def on_test_batch_end(self, batch, logs=None):
        self._add("test", batch)

    def _add(self, kind, batch):
        if not self.ends:  # in the first epoch
            self.calls[kind].append((batch, time.perf_counter()))

    def _seconds(self):
        """Of one epoch, nan if not known yet."""
        if len(self.ends) == 1:  # better than nothing, where nothing is promised yet
            return sum(map(_without_tracing, self.calls.values())) if math.isnan(self.promised) else math.nan
        recent = self.ends[-_RECENT - 1 :]
        return (recent[-1] - recent[0]) / (len(recent) - 1)

    def on_epoch_end(self, epoch, logs=None):
        self.ends.append(time.perf_counter())
        seconds = self._seconds()
        left = seconds * (self.spec.epochs - epoch - 1)
        end = self.ends[-1] + left
        if not math.isnan(end) and not abs(end - self.promised) <= max(_SHARE * left, _SECONDS):
            self.promised = end
            self.log(f"  one epoch takes about {duration(seconds)}, this run {duration(left)} more")


def _without_tracing(ends):
    """Seconds of the calls of an epoch, `(number of the last batch, time of its end)` of each. The first one, which traces and
    compiles, counts by its batches as the others do; nan without others."""
    if len(ends) < 2:
        return math.nan
    (first, began), (last, end) = ends[0], ends[-1]
    return (end - began) / (last - first) * (last + 1)


def variables_of(model):
    """All variables that training changes, random generators of masks that are sampled among them."""
    generators = [
        layer.seed_generator.state for layer in sparsity.masked_layers(model) if hasattr(layer, "seed_generator")
    ]
    return [*model.weights, *generators, *model.optimizer.variables]


def values_of(model):
    return [np.asarray(variable) for variable in variables_of(model)]
