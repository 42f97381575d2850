"""One run: Spec -> keras.Model.fit -> record.

A run that is killed at any moment goes on from its last checkpoint and ends with the numbers and masks of an undisturbed
one: the batches of an epoch depend on (seed, epoch) only, the checkpoint holds every variable of model and optimizer, and
the plateau rule is a function of the losses so far.
"""

import dataclasses
import math
import os
import time

import keras
import numpy as np

from tf_supermask import container, data, device, layers, masks, models, records, settings, sources, sparsity
from tf_supermask.errors import InputError

COLUMNS = ("train_loss", "train_accuracy", "test_loss", "test_accuracy", "remaining", "learning_rate", "seconds")


@dataclasses.dataclass(frozen=True)
class Options:
    """How a run is carried out; nothing here changes what comes out, except for rounding where XLA compiles."""

    jit_compile: bool | None = None  # None: where it helps, see `use_xla`
    steps_per_execution: int | None = None  # None: see `steps_at_once`
    progress: str | int = "auto"  # `verbose` of keras.Model.fit
    checkpoint_seconds: float = 30.0  # at least so long between two checkpoints
    deterministic: bool | None = False  # as given to device.set_up; on a GPU such kernels exclude XLA
    tensorboard_dir: str | None = None
    say: callable = print  # receives one line of text


# ---------------------------------------------------------------------------------------------------------------------
# Optimizers and schedules


def _sgd(spec, learning_rate, **common):
    return keras.optimizers.SGD(learning_rate, momentum=spec.momentum, nesterov=spec.nesterov, **common)


def _adam(spec, learning_rate, **common):
    # Epsilon is TensorFlow 1's default, with which Zhou et al. 2019 trained; that of Keras is 1e-7.
    return keras.optimizers.Adam(learning_rate, epsilon=1e-8, **common)


OPTIMIZERS = {"sgd": _sgd, "adam": _adam}
SCHEDULES = {
    "constant": lambda spec: spec.learning_rate,
    "staircase": lambda spec: keras.optimizers.schedules.ExponentialDecay(
        spec.learning_rate, spec.decay_steps, spec.decay_rate, staircase=True
    ),
    "plateau": lambda spec: spec.learning_rate,  # lowered by the Plateau callback
}


def optimizer(spec):
    """Keras optimizer of `spec`. Per step, with gradient g, decay w_t and rate r_t under one schedule:

        x <- x - w_t x;   v <- momentum v - r_t g;   x <- x + momentum v - r_t g      (SGD with Nesterov momentum)

    Deviation: the paper says 'SGD with weight decay'; its results were made with this decoupled form. Keras multiplies its
    `weight_decay` by the learning rate and the paper does not; since both follow one schedule, their ratio at the start
    makes the two the same.
    """
    return OPTIMIZERS[spec.optimizer](
        spec,
        SCHEDULES[spec.schedule](spec),
        weight_decay=spec.weight_decay / spec.learning_rate or None,
        clipnorm=spec.clipnorm or None,
    )


def plateau_reductions(losses, patience, rest=10, tolerance=1e-4):
    """How often the rate has been reduced after epochs with these train losses: the rule of Koster et al. 2022.

    An epoch stagnates unless its loss undercuts, by more than `tolerance`, the best of the `patience` - 2
    epochs before it. When more than `patience` epochs have stagnated, the rate is reduced. The first `rest` epochs, and as
    many after each reduction, are not looked at. The count never starts again, so that later every stagnating epoch that
    is looked at reduces.
    """
    reductions, stagnating, look_from = 0, 0, rest
    for epoch in range(len(losses)):
        if epoch < look_from:
            continue
        best = min(losses[max(0, epoch - (patience - 2)) : epoch])
        if losses[epoch] + tolerance < best:
            continue
        stagnating += 1
        if stagnating > patience:
            reductions += 1
            look_from = epoch + 1 + rest
    return reductions


def reductions(spec, history):
    return plateau_reductions(history["train_loss"], spec.plateau_patience, spec.plateau_rest)


class Plateau(keras.callbacks.Callback):
    """Sets the learning rate, and with it the decay, from the train losses so far; ends the training at the limit.

    Keras' ReduceLROnPlateau differs in every detail of `plateau_reductions`.
    """

    def __init__(self, spec, history):
        super().__init__()
        self.spec, self.history = spec, history

    def on_epoch_end(self, epoch, logs=None):
        factor = self.spec.plateau_factor ** reductions(self.spec, self.history)
        self.model.optimizer.learning_rate = self.spec.learning_rate * factor
        self.model.stop_training = finished(self.spec, self.history)


def finished(spec, history):
    """Whether a run with this history trains no further."""
    if len(history["train_loss"]) >= spec.epochs:
        return True
    return spec.schedule == "plateau" and reductions(spec, history) >= spec.plateau_limit


# ---------------------------------------------------------------------------------------------------------------------
# Callbacks that Keras does not have


class History(keras.callbacks.Callback):
    """Adds remaining weights, learning rate and seconds to Keras' logs, and collects the columns of the record.

    Deviation: the test loss is the mean over images; the authors average over batches, of which the last is smaller.
    Seconds are those of training, evaluation and counting, as in the paper; writing files is not in them.
    """

    def __init__(self, history, images):
        super().__init__()
        self.history, self.images = history, images
        self.began = None

    def on_epoch_begin(self, epoch, logs=None):
        self.began = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        logs["remaining"] = remaining(self.model)
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
    """The loss, another measure or a weight is not a number any more."""


def check_finite(when, measures, variables=()):
    """Raises Diverged for a measure that is not a finite number, and for a variable with such values.

    Not all show in the loss: the mask of a score that is not a number is 0, as of a pruned one.
    """
    wrong = [f"{name.replace('_', ' ')} {value}" for name, value in measures.items() if not np.isfinite(value)]
    wrong += [f"{its.path} has values that are no numbers" for its in variables if not np.isfinite(its).all()]
    if wrong:
        raise Diverged(f"the training diverged {when}: {wrong[0]}; a smaller --learning_rate may help")


def _percent(share, count):
    """Keras gives accuracies as float32 shares; the count behind one is whole."""
    return 100 * round(share * count) / count


def remaining(model):
    """Remaining weights of a model in percent; 100 for a baseline."""
    masks = sparsity.masks_of(model)
    return sparsity.remaining(masks.values()) if masks else 100.0


class Checkpoint(keras.callbacks.Callback):
    """Saves all variables and the history after an epoch, if the last time is long enough ago."""

    def __init__(self, run, spec, history, seconds):
        super().__init__()
        self.run, self.spec, self.history, self.seconds = run, spec, history, seconds
        self.last = time.monotonic()

    def on_epoch_end(self, epoch, logs=None):
        if time.monotonic() - self.last >= self.seconds:
            records.save_checkpoint(self.run, self.spec, _values(self.model), self.history)
            self.last = time.monotonic()


class Estimate(keras.callbacks.Callback):
    """After the first epoch, says how long the whole will take."""

    def __init__(self, spec, done, say):
        super().__init__()
        self.spec, self.done, self.say = spec, done, say
        self.first = True
        self.began, self.ends = {}, {"train": [], "test": []}

    def on_epoch_begin(self, epoch, logs=None):
        self.began["train"] = time.perf_counter()

    def on_test_begin(self, logs=None):
        self.began["test"] = time.perf_counter()

    def on_train_batch_end(self, batch, logs=None):
        if self.first:
            self.ends["train"].append(time.perf_counter())

    def on_test_batch_end(self, batch, logs=None):
        if self.first:
            self.ends["test"].append(time.perf_counter())

    def on_epoch_end(self, epoch, logs=None):
        if self.first:
            seconds = sum(_without_tracing(self.began[part], self.ends[part]) for part in self.began)
            left = self.spec.epochs - self.done - 1
            self.say(f"  one epoch takes about {duration(seconds)}, this run {duration(seconds * left)} more")
            self.first = False


def _without_tracing(began, ends):
    """Seconds of calls that ended at `ends`, the first of which, where TensorFlow traces and compiles, counts as the rest."""
    if len(ends) < 3:
        return ends[-1] - began
    return (ends[-1] - ends[0]) / (len(ends) - 1) * len(ends)


def duration(seconds):
    """12.3 s, 4 min or 5.6 h."""
    if seconds < 100:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


# ---------------------------------------------------------------------------------------------------------------------
# Training counted in iterations


def stretch(spec):
    """The greatest number that divides the steps of each stretch between two evaluations; the last one may be shorter."""
    return math.gcd(min(spec.evaluate_every, spec.iterations), spec.iterations)


def iterations_after(spec, epoch):
    """Iterations that are done when epoch 0, 1... of `fit_iterations` ends."""
    return min((epoch + 1) * spec.evaluate_every, spec.iterations)


def fit_iterations(model, batches, spec, callback, done=0):
    """Trains `model` for `spec.iterations` steps; an epoch is what lies between two evaluations, and `done` of them are over.

    `batches` start with the first step that is left.
    """
    steps = min(spec.evaluate_every, spec.iterations)
    model.fit(
        batches,
        epochs=-(-spec.iterations // steps),
        initial_epoch=done,
        steps_per_epoch=steps,
        # where nothing is left over, no callback reads the logs of each batch
        callbacks=[Stop(spec), callback] if spec.iterations % steps else [callback],
        shuffle=False,  # the batches come in their order
        verbose=0,
    )


class Stop(keras.callbacks.Callback):
    """Ends the training after the last iteration, also within an epoch."""

    def __init__(self, spec):
        super().__init__()
        self.spec = spec

    def on_epoch_begin(self, epoch, logs=None):
        self.before = epoch * self.spec.evaluate_every

    def on_train_batch_end(self, batch, logs=None):
        self.model.stop_training = self.before + batch + 1 >= self.spec.iterations


# ---------------------------------------------------------------------------------------------------------------------
# The run


def use_xla(model):
    """XLA pays on a GPU, and on a CPU for networks of dense layers; a CPU's convolutions are faster without it, and random
    numbers a hundred times faster."""
    slow = any(
        isinstance(layer, (keras.layers.Conv2D, layers.SignedMaskConv2D))
        or getattr(layer, "rule", None) in masks.SAMPLED
        for layer in model.layers
    )
    return not slow or device.has_gpu()


def steps_at_once(steps, xla):
    """Steps that one call of the training function runs: a divisor of the epoch; few where a step is long anyway."""
    most = 100 if xla else 8
    return max(n for n in range(1, most + 1) if steps % n == 0)


def compiled(spec, dataset, options=Options()):
    """The model of `spec`, built and compiled for `dataset`, with its optimizer's variables made."""
    model = models.build(spec, dataset.input_shape, dataset.classes)
    compile_model(model, spec, data.steps_per_epoch(dataset, spec), options)
    return model


@settings.needed()
def compile_model(model, spec, steps, options):
    """Compiles `model` as `spec` says, for epochs of `steps` steps, and makes the optimizer's variables."""
    xla = options.jit_compile
    if xla is None:
        xla = use_xla(model) and not (device.has_gpu() and options.deterministic is not False)
    steps_per_execution = options.steps_per_execution or steps_at_once(steps, xla)
    if steps % steps_per_execution:  # a call would reach into the next epoch
        what = f"the {steps} steps of an epoch"
        if spec.iterations:
            what = f"--iterations={spec.iterations} and --evaluate_every={spec.evaluate_every}"
        raise InputError(f"--steps_per_execution={steps_per_execution} must divide {what}")
    model.compile(
        optimizer(spec),
        # Deviation: the paper has a softmax output; from logits the loss is the same number, but is not clipped where the
        # softmax saturates, so that its gradient does not vanish there.
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        jit_compile=xla,
        steps_per_execution=steps_per_execution,
    )
    model.optimizer.build(model.trainable_variables)


def _variables(model):
    return [*model.weights, *model.optimizer.variables]


def _values(model):
    return [np.asarray(variable) for variable in _variables(model)]


@settings.needed()
def train(spec, dataset, run=None, options=Options()):
    """Trains `spec` on `dataset`; returns `(model, record)`.

    With a `records.Run`, goes on from its checkpoint if there is one, writes record, masks and history, and removes the
    checkpoint; without, writes nothing.
    """
    environment = records.environment()  # before the training, during which the source tree may change
    model = compiled(spec, dataset, options)
    history = {name: [] for name in COLUMNS}
    initial = {"remaining": remaining(model)}
    if run is not None:
        _continue(model, spec, run, history, options.say)
    done = len(history["train_loss"])
    if not finished(spec, history):
        model.fit(
            data.batches(dataset, spec, done),
            epochs=spec.epochs,
            initial_epoch=done,
            steps_per_epoch=data.steps_per_epoch(dataset, spec),
            validation_data=data.evaluation_batches(dataset, spec),
            callbacks=_callbacks(spec, dataset, run, options, history),
            shuffle=False,  # the batches come in their order
            verbose=options.progress,
        )
    return model, finish(
        run,
        spec,
        dataset,
        model,
        initial=initial,
        history=history,
        final=_final(model, history),
        layers=layer_table(model),
        environment=carried_out(environment, model),
        arrays=models.snapshot(model),
    )


def finish(run, spec, dataset, model, *, initial, history, final, layers, environment, arrays=None):
    """Writes what is left of a run, and returns its record; only returns that where `run` is None.

    `final`: measures, of which those that every record has are None where they are not given; `arrays`: name -> array, for
    `run.final`; masks that are not sampled get a container.
    """
    record = {
        "spec": dataclasses.asdict(spec),
        "initial": initial,
        "history": history,
        "final": {"csr_compression": None, "seconds_per_epoch": None} | final,
        "layers": layers,
        "data": {
            "name": sources.title_of(spec.dataset),
            "input_shape": list(dataset.input_shape),
            "classes": dataset.classes,
            "fingerprint": dataset.fingerprint,
        },
        "environment": environment,
    }
    if run is not None:
        if arrays is not None:
            records.save_arrays(run.final, arrays)
        if spec.mode in masks.RULES and spec.mode not in masks.SAMPLED:
            container.save(model, run.container)
        records.save(run, record)  # last: a run without a record is not finished
        run.checkpoint.unlink(missing_ok=True)
    return record


def carried_out(environment, model):
    """What a record says of how it was made."""
    how = {"jit_compile": model.jit_compile, "steps_per_execution": model.steps_per_execution}
    return environment | how | {"load": os.getloadavg()[1]}  # of the last 5 minutes: what else the machine did


def _continue(model, spec, run, history, say):
    """Puts the checkpoint's variables and history in place; the CSV file is cut back to it."""
    found = records.load_checkpoint(run, spec)
    if found is not None:
        values, past = found
        variables = _variables(model)
        if [value.shape for value in values] != [tuple(variable.shape) for variable in variables]:
            raise InputError(f"{run.checkpoint} was written by another version; move it away to start anew")
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
        for name in history:
            history[name].extend(past[name])
        say(f"  going on after epoch {len(past['train_loss'])}")
    done = len(history["train_loss"])
    lines = run.history.read_bytes().splitlines(keepends=True) if done and run.history.exists() else []
    records.write(run.history, lambda file: file.writelines(lines[: done + 1]))  # header, and one line per epoch


def _callbacks(spec, dataset, run, options, history):
    images = {"train": len(dataset.train_images) * spec.passes, "test": len(dataset.test_images)}
    callbacks = [History(history, images), Estimate(spec, len(history["train_loss"]), options.say)]
    if spec.schedule == "plateau":
        callbacks.append(Plateau(spec, history))
    if run is not None:
        callbacks.append(keras.callbacks.CSVLogger(run.history, append=True))
        # after the CSV file, which is cut back to the checkpoint when a run goes on, and never the other way round
        callbacks.append(Checkpoint(run, spec, history, options.checkpoint_seconds))
    if options.tensorboard_dir:
        callbacks.append(keras.callbacks.TensorBoard(options.tensorboard_dir))
    return callbacks


def _final(model, history):
    masked = sparsity.masked_layers(model)
    return {
        "test_accuracy": history["test_accuracy"][-1],
        "test_loss": history["test_loss"][-1],
        "remaining": history["remaining"][-1],
        "csr_compression": sparsity.csr_compression([layer.effective_kernel for layer in masked]) if masked else None,
        "seconds_per_epoch": float(np.mean(history["seconds"])),
    }


def layer_table(model):
    """`layer_row` of each kernel layer; of a layer without mask with None for both SHA-256."""
    table = []
    for layer in sparsity.kernel_layers(model):
        if isinstance(layer, layers.SignedMask):
            table.append(layer_row(layer.name, layer.weight, layer.mask))
        else:
            row = layer_row(layer.name, layer.kernel, np.ones(layer.kernel.shape, np.int8))
            table.append(row | {"weight_sha256": None, "mask_sha256": None})
    return table


def layer_row(name, weight, mask):
    """What a record says of a layer: name, shape, counts of -1, 0, +1, and SHA-256 of frozen weight and mask."""
    return {
        "name": name,
        "shape": list(mask.shape),
        "counts": sparsity.counts(mask),
        "weight_sha256": records.sha256(weight),
        "mask_sha256": records.sha256(mask),
    }
