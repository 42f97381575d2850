"""One run: Spec -> keras.Model.fit -> record.

A killed run continues from its last checkpoint and ends with the numbers and masks of an uninterrupted one: the batches of an
epoch depend only on (seed, epoch), the checkpoint holds every variable of model and optimizer, and the plateau rule is a
function of the losses so far.
"""

import dataclasses
import math

import keras
import numpy as np

from tf_supermask import files, layers, masks, signed_mask, sparsity
from tf_supermask.deploy import container
from tf_supermask.errors import InputError
from tf_supermask.experiments import choices, data, device, machines, networks, paths, records, settings, updates
from tf_supermask.experiments.callbacks import COLUMNS, Checkpoint, Estimate, History, remaining, variables_of
from tf_supermask.experiments.environment import current_environment, runtime_info
from tf_supermask.experiments.layer_rows import of_model as layer_table
from tf_supermask.experiments.looped import looped
from tf_supermask.experiments.optimizers import Cosine, Plateau, finished, optimizer
from tf_supermask.experiments.shrinking import Shrink, Shrinking, event_text


@dataclasses.dataclass(frozen=True)
class Options:
    """How a run is executed. Nothing here changes its results, except that XLA rounds differently."""

    jit_compile: bool | None = None  # None: see `use_xla`
    steps_per_execution: int | None = None  # None: see `steps_at_once`
    progress: str | int = "auto"  # `verbose` of keras.Model.fit
    checkpoint_seconds: float = 30.0  # least time between two checkpoints
    deterministic: bool | None = False  # as given to device.set_up; on a GPU such kernels exclude XLA
    tensorboard_dir: str | None = None
    log: callable = print  # receives a line of text


LOOP_BYTES = 2**25  # of float32 images in one call; two more calls are prepared meanwhile


# ---------------------------------------------------------------------------------------------------------------------
# The run


def use_xla(model):
    """Whether XLA speeds a network up: on a GPU always, on a CPU unless it has convolutions or samples masks, whose random
    numbers are a hundred times slower with it."""
    slow = any(
        isinstance(layer, (keras.layers.Conv2D, layers.SignedMaskConv2D))
        or isinstance(layer, signed_mask.SignedMask)
        and masks.rule(layer.rule).sampled
        for layer in model.layers
    )
    return not slow or device.has_gpu()


def steps_at_once(steps, xla, most=100):
    """Steps per call of the training function: a divisor of the steps of an epoch; at most 8 without XLA, as steps are longer."""
    most = max(1, min(most, 100 if xla else 8))
    return max(n for n in range(1, most + 1) if steps % n == 0)


def compiled(spec, dataset, options=Options()):
    """The model of `spec`, built and compiled for `dataset`; its optimizer is built, too."""
    model = networks.build(spec, dataset.input_shape, dataset.classes)
    compile_model(model, spec, data.steps_per_epoch(dataset, spec), options)
    return model


@settings.needed()
def compile_model(model, spec, steps, options):
    """Compiles `model` by the settings of `spec`, for epochs of `steps` steps, and builds its optimizer."""
    xla = options.jit_compile
    if xla is None:
        xla = use_xla(model) and not (device.has_gpu() and options.deterministic is not False)
    every = updates.interval(spec) or steps
    together = math.gcd(steps, every)  # a call must not extend into the next epoch, nor beyond a change of masks
    steps_per_execution = options.steps_per_execution or steps_at_once(together, xla)
    if together % steps_per_execution:
        what = f"the {steps} steps of an epoch" + (f" and the {every} between two changes" if every != steps else "")
        if spec.iterations:
            what = f"--iterations={spec.iterations} and --evaluate_every={spec.evaluate_every}"
        raise InputError(f"--steps_per_execution={steps_per_execution} must divide {what}")
    model.compile(
        optimizer(spec),
        # Deviation: the paper has a softmax output; from logits the loss is the same number, but is not clipped where the
        # softmax saturates, so that its gradient does not vanish there.
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=metrics(),
        jit_compile=xla,
        steps_per_execution=steps_per_execution,
    )
    model.optimizer.build(model.trainable_variables)


def metrics():
    # an object: a metric by its name makes variables in the first call, after which TensorFlow traces the step once more
    return [keras.metrics.SparseCategoricalAccuracy(name="accuracy")]


def steps_in_a_loop(spec, dataset, model, options, events):
    """Steps that XLA makes in one computation, as `looped.Looped` does: a divisor of those of whole batches, whose images fit in
    LOOP_BYTES. 1 where Keras calls each step: without XLA, for callbacks that act between steps, and on a GPU, where it is not
    tried yet."""
    outside = events or spec.augment or spec.affine or options.steps_per_execution or device.has_gpu()
    if outside or not model.jit_compile:
        return 1
    fit_in = LOOP_BYTES // (4 * spec.batch_size * math.prod(dataset.input_shape))
    return steps_at_once(max(1, len(dataset.train_images) * spec.passes // spec.batch_size), True, fit_in)


@settings.needed()
def train(spec, dataset, run=None, options=Options(), dense_run=None):
    """Trains `spec` on `dataset`; returns `(model, record)`. It needs no `dense_run`.

    With a `records.Run`, continues from its checkpoint if there is one, and writes the files of a finished run; without, writes
    nothing.
    """
    environment = current_environment()  # before the training, during which the source tree may change
    model = compiled(spec, dataset, options)
    history = {name: [] for name in COLUMNS}
    events = updates.prepared(spec, dataset, model)
    initial = {"remaining": remaining(model)}
    shrinking = Shrinking(spec, model, len(dataset.train_images) * spec.passes)
    if run is not None:
        _continue(model, spec, run, history, shrinking, options.log)
    at_once = steps_in_a_loop(spec, dataset, model, options, events)
    _fit(spec, dataset, run, options, history, shrinking, events, at_once)
    return model, finish(
        run,
        spec,
        dataset,
        model,
        initial=initial,
        history=history,
        final=_final(model, history),
        layers=layer_table(model),
        environment=runtime_info(environment, model, at_once if at_once > 1 else None),
        arrays=networks.snapshot(model),
        shrunk=shrinking.events if spec.shrink else None,
    )


def _fit(spec, dataset, run, options, history, shrinking, events, at_once):
    """Trains the network of `shrinking` to the end: one call of `fit` for each size that it has. `events`: callbacks; `at_once`:
    steps in one computation."""
    if finished(spec, history):
        return
    several = dataclasses.replace(spec, batch_size=spec.batch_size * at_once)  # the images of a call
    epochs, test = data.epochs_of(dataset, several), data.evaluation_batches(dataset, spec)
    callbacks = [*events, *_callbacks(spec, dataset, run, options, history, shrinking)]
    while not finished(spec, history):
        done = len(history["train_loss"])
        network = shrinking.network(done)
        if shrinking.events and shrinking.events[-1]["epoch"] == done:
            options.log(f"  {event_text(shrinking.events[-1])}")
        if at_once > 1:
            network = looped(network, spec.batch_size, metrics())
        network.fit(
            epochs(done),
            epochs=spec.epochs,
            initial_epoch=done,
            steps_per_epoch=data.steps_per_epoch(dataset, several),
            validation_data=test,
            callbacks=callbacks,
            shuffle=False,  # `epochs` are in their order
            verbose=options.progress,
        )


def finish(run, spec, dataset, model, *, initial, history, final, layers, environment, arrays=None, shrunk=None):
    """Writes what is left of a run, and returns its record; only returns that where `run` is None.

    `final`: measures, of which those that every record has are None where they are not given. A network of codes is written to
    `run.container`; of others, and of those whose weights are not the initial ones, `arrays`, name -> array, are written to
    `run.final` if they are given.
    `shrunk`: when the network shrank, and to how many units; None where it could not.
    """
    record = {
        "spec": dataclasses.asdict(spec),
        "initial": initial,
        "history": history,
        "final": {"csr_compression": None, "seconds_per_epoch": None} | final,
        "layers": layers,
        **({} if shrunk is None else {"shrunk": shrunk}),
        "data": {
            "name": paths.title_of(spec.dataset),
            "input_shape": list(dataset.input_shape),
            "classes": dataset.classes,
            "fingerprint": dataset.fingerprint,
        },
        "environment": environment | ({} if run is None else machines.earlier(run.checkpoint)),
    }
    if run is not None:
        codes = spec.masked and not spec.sampled and choices.has_codes(spec.mode, spec.weight_distribution)
        if codes:
            container.save(model, run.container)
        if arrays is not None and not (codes and choices.weights_are_drawn(spec.mode)):
            records.save_arrays(run.final, arrays)
        records.save(run, record)  # last: a run without a record is not finished
        run.remove_temporary()
    return record


def _continue(model, spec, run, history, shrinking, log):
    """Puts the checkpoint's variables and history in place; the CSV file is cut back to it."""
    variables = variables_of(model)
    checkpoint = records.load_checkpoint(run, spec, [variable.shape for variable in variables])
    if checkpoint is not None:
        values, past = checkpoint
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
        for name in history:
            history[name].extend(past[name])
        shrinking.restore(records.shrunk_in_checkpoint(run))
        log(f"  going on after epoch {len(past['train_loss'])}")
    done = len(history["train_loss"])
    lines = run.history.read_bytes().splitlines(keepends=True) if done and run.history.exists() else []
    files.write(run.history, lambda file: file.writelines(lines[: done + 1]))  # header, and one line per epoch


def _callbacks(spec, dataset, run, options, history, shrinking):
    images = {"train": len(dataset.train_images) * spec.passes, "test": len(dataset.test_images)}
    callbacks = [History(history, images, shrinking.whole), Estimate(spec, options.log)]
    if spec.schedule == "plateau":
        callbacks.append(Plateau(spec, history))
    if spec.schedule == "cosine":
        callbacks.append(Cosine(spec))
    callbacks.append(Shrink(shrinking))  # after the learning rate is set, before all is saved
    if run is not None:
        callbacks.append(keras.callbacks.CSVLogger(run.history, append=True))
        # after the CSV file, which is cut back to the checkpoint when a run goes on, and never the other way round
        callbacks.append(Checkpoint(run, spec, history, options.checkpoint_seconds, shrinking))
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
