"""MaskUpdates: the callback that sets masks while a model is trained.

All state is in Keras variables: masks are the scores of layers with the rule `sparse`, the number of steps is the optimizer's.
Random numbers are made of the seed, the step and the position of a layer. So a training that goes on from saved variables ends
as one that was never stopped.
"""

import itertools
import math
import warnings

import keras
import numpy as np

from tf_supermask import arguments, sparsity
from tf_supermask.rivals import allocation as allocations
from tf_supermask.rivals import checks, events
from tf_supermask.rivals.gradients import DIVERGED, Gradients, batches_of
from tf_supermask.rivals.methods import METHODS, Goal, Network
from tf_supermask.rivals.slots import clear, slots_of


class MaskUpdates(keras.callbacks.Callback):
    """Sets and changes the masks of a model of `mask_model(model, "sparse")`, whose weights are trained.

        model = mask_model(model, "sparse")
        model.compile(keras.optimizers.SGD(0.05, 0.9), loss)
        model.fit(x, y, epochs=10, callbacks=[MaskUpdates("rigl", density=0.1, data=(x, y))])

    Masked weights are 0 and do not move: neither gradients nor momentum nor decay reach them. A weight that is grown starts at
    0, with a new state of the optimizer. Masks of a model that has some already are not set again at the start, so that `fit`
    can go on. Steps are those that the optimizer has made, in earlier calls of `fit` too. A callback that saves the model between
    two epochs' ends, as `ModelCheckpoint(save_freq=100)`, has to come after this one in the list, and one that
    restores weights at the end, as `EarlyStopping(restore_best_weights=True)`, before it.

    Two further methods are events of score-based rules: `iterand` draws pruned weights of the rule `iterand` again from the
    initializer of their layer; `global` sets one threshold for all layers of a rule such as `edge_popup`, so that together they
    have `density`, each its largest score at least; of equal scores at the threshold none or all are kept. It needs
    `relative_threshold`, with which a layer has its threshold as a variable.

    Args:
        method: a key of `rivals.methods.METHODS`, `iterand` or `global`.
        density: share of all masked weights that is kept, above 0 and at most 1; None for `iterand`, whose layers have it.
        allocation: uniform, erk or global; by default as the method's authors have it.
        every: steps between two changes. By default 100, for `iterand` 300, for `global` 1; not for static, snip and force.
        share: share of the kept weights that a change drops, at first; it falls as a cosine. Of `iterand`, the share of pruned
            weights that are drawn again.
        data: images and labels as two arrays, of which each change takes a batch for its gradients, or a function from the
            number of steps to a batch; for snip, force, rigl and granet.
        batch_size: size of such a batch of two arrays, by default 128.
        until: masks change in this share of the training, by default 0.75; for magnitude, set, rigl and granet.
        steps: steps of the whole training; by default those of `fit`.
        seed: int >= 0.

    Raises:
        ValueError: for arguments that do not go together, or that `method` does not use; when training starts, for a model that
            has no such masks, or has masks of another density, for an optimizer whose states are not known or that accumulates
            gradients, and a training that is too short; for gradients that are not finite.

    Deviation: RigL's authors use the gradient of the training batch, in place of a step; here a change follows a step, with the
    gradient of another batch, as in their version for TensorFlow 2.
    """

    def __init__(
        self, method, density=None, allocation=None, every=None, share=None, data=None, batch_size=None, until=None,
        steps=None, seed=0
    ):  # fmt: skip
        super().__init__()
        self.method = arguments.choice("method", method, (*METHODS, *events.EVENTS))
        self.event, self.kind = events.EVENTS.get(method), METHODS.get(method)
        uses = self.event or self.kind
        once, gradients = not (self.event or self.kind.change), bool(self.kind and self.kind.needs_data)
        given = {"every": every, "until": until, "share": share, "data": data, "batch_size": batch_size}
        checks.without_effect(method, once, bool(self.event), uses.share is not None, gradients, given)
        every = (self.event.every if self.event else 100) if every is None else every
        self.every = arguments.integer("every", every, low=1)
        self.steps = arguments.integer("steps", steps, low=1, optional=True)
        self.seed = arguments.integer("seed", seed, low=0)
        self.until = 0.75 if until is None else arguments.share("until", until)
        self.share = uses.share if share is None else arguments.share("share", share)
        batch_size = 128 if batch_size is None else arguments.integer("batch_size", batch_size, low=1)
        self.batches = None if data is None else batches_of(data, batch_size, self.seed)
        self._check(density, allocation)

    def _check(self, density, allocation):
        if self.method == "iterand":
            if density is not None:
                raise ValueError(f"`iterand` has the density of its layers. Received: {density=}")
        elif density is None:
            raise ValueError(f"{self.method} needs `density`, the share of weights to keep, such as density=0.1")
        else:
            allocations.checked(density)
        known = self.kind.allocations if self.kind else ()
        self.density, self.allocation = density, allocation or (known[0] if known else None)
        if allocation is not None and allocation not in known:
            raise ValueError(
                f"`allocation` of {self.method} can be {', '.join(known) or 'None'}. Received: {allocation!r}"
            )
        if self.kind and self.kind.needs_data and self.batches is None:
            raise ValueError(f"{self.method} needs `data` for its gradients: data=(images, labels)")

    # -----------------------------------------------------------------------------------------------------------------
    # When

    def on_train_begin(self, logs=None):
        self.prepare(self.steps or _steps_of(self.params or {}))

    def prepare(self, steps):
        """Sets the first masks where the model has none, before a training of `steps` steps."""
        self.kernels, self.total = sparsity.masked_kernels(self.model), steps
        checks.optimizer(self.model, self.method)
        if self.event:
            self.event.check(self)
        else:
            self._check_model()
        self.last = self._last_change(steps) if self.event or self.kind.change else 0
        if self.event:
            self.event.begin(self)
        elif self._check_masks():
            self._change(self.kind.start, 0, 0.0)
        else:  # the optimizer may have states of other masks, as after EarlyStopping(restore_best_weights=True)
            self._clear(self.masks())

    def _check_model(self):
        if not self.kernels or not all(kernel.rule.given for kernel in self.kernels.values()):
            raise ValueError(f'{self.method} needs a model of mask_model(model, "sparse"), all of whose masks are set')
        frozen = [name for name, kernel in self.kernels.items() if not kernel.weight.trainable]
        if frozen:
            raise ValueError(f"{self.method} changes masks of weights that are trained. Frozen: {', '.join(frozen)}")
        allocations.in_all(self.sizes(), self.density)
        self.slots = slots_of(self.model)
        self.gradients = Gradients(self.model) if self.kind.needs_data else None

    def _last_change(self, steps):
        """The step of the last change; infinity for events."""
        checks.steps_at_once(self.model, self.every, (self.params or {}).get("steps"))
        if steps is None and self.event:
            return math.inf
        if steps is None:
            raise ValueError(f"{self.method} needs `steps`, those of the whole training: `fit` does not know them")
        span = steps if self.event else int(self.until * steps)
        if span < self.every:
            raise ValueError(
                f"{self.method} would change nothing: it does so every {self.every} steps, in the first {span} of {steps}; give "
                "a smaller `every`"
            )
        return math.inf if self.event else span // self.every * self.every

    def _check_masks(self):
        """Whether the model has no masks yet."""
        density, done = self._density(), int(self.model.optimizer.iterations)
        dense = density > self.density + self._rounding() if self.kind.gradual else density == 1
        if dense and self.kind.change and self.density < 1 and done >= self.last:
            raise ValueError(
                f"{self.method} changes masks until step {self.last}, but the optimizer has made {done} steps; `steps` has "
                "to be those of the whole training, earlier calls of `fit` included, or compile with a new optimizer"
            )
        if density == 1:
            return True
        if density < self.density - self._rounding() or not self.kind.gradual and density > self.density + self._rounding():
            raise ValueError(
                f"{self.method} goes on with the masks that the model has, whose density is {density:.4g}; mask a model "
                f"without masks, or give that density. Received: density={self.density}"
            )
        return False

    def _density(self):
        """The share of all masked weights that is kept."""
        return sum(np.count_nonzero(mask) for mask in self.masks().values()) / sum(self.sizes())

    def _rounding(self):
        return 0.01 * self.density + len(self.kernels) / sum(self.sizes())  # a weight for each layer, and a hundredth

    def on_epoch_begin(self, epoch, logs=None):
        self.before = int(self.model.optimizer.iterations)

    def on_train_batch_end(self, batch, logs=None):
        step = self.before + batch + 1
        if step % self.every or step > self.last:
            return
        if self.event:
            self.event.change(self, step)
        elif self.kind.change:
            self._change(self.kind.change, step, step / self.last)

    def on_train_end(self, logs=None):
        if self.steps or not (self.kind and self.kind.gradual):  # with `steps` of its own a training can be one of several
            return
        density = self._density()
        if density > self.density + self._rounding():
            warnings.warn(
                f"{self.method} reaches density={self.density} with its change at step {self.last}; after "
                f"{int(self.model.optimizer.iterations)} steps it is {density:.4g}",
                stacklevel=2,
            )

    # -----------------------------------------------------------------------------------------------------------------
    # What

    def sizes(self):
        """Number of weights of each kernel."""
        return [math.prod(kernel.weight.shape) for kernel in self.kernels.values()]

    def masks(self):
        """Name of a kernel -> bool array."""
        return {name: kernel.mask() != 0 for name, kernel in self.kernels.items()}

    def generators(self, step):
        """Name of a kernel -> numpy Generator, of the seed, the step and the position of the kernel: Keras numbers names as it
        likes."""
        return {name: np.random.default_rng([self.seed, step, i]) for i, name in enumerate(self.kernels)}

    def _change(self, change, step, progress):
        """Gives the kernels the masks of a function of methods.py. A weight that was not kept before, or is not now, is 0, and
        so are its states; one that was dropped and grown at once was and is kept."""
        before, batch = self.masks(), itertools.count(step)  # several in one change, of FORCE, are of several batches

        def gradients(masks):
            self._show(masks)
            return self.gradients(*self.batches(next(batch)))

        weights = {name: np.asarray(kernel.weight) for name, kernel in self.kernels.items()}
        wrong = [name for name, weight in weights.items() if not np.isfinite(weight).all()]
        if wrong:
            raise ValueError(f"masks cannot be set for weights that are not finite: those of {', '.join(wrong)}. {DIVERGED}")
        goal = Goal(self.density, self.allocation, self.share, progress)
        after = change(Network(weights, before, gradients, self.generators(step)), goal)
        self._clear({name: before[name] & mask for name, mask in after.items()})
        self._show(after)

    def _clear(self, masks):
        """Sets weights outside the masks to 0, and their states."""
        for name, kernel in self.kernels.items():
            clear((kernel.weight, *self.slots[id(kernel.weight)]), masks[name])

    def _show(self, masks):
        for name, kernel in self.kernels.items():
            kernel.score.assign(masks[name].astype(np.float32))


def _steps_of(params):
    """Steps of the whole training, None where `fit` does not know how many an epoch has."""
    return params["epochs"] * params["steps"] if params.get("steps") and params.get("epochs") else None
