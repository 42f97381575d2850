"""Arguments that a method does not use, and what a model must be compiled like so that masks can change at a step of its
training."""

from tf_supermask.errors import short


def without_effect(method, once, event, share, gradients, given):
    """Raises ValueError for an argument that has no effect: one of `given`, name -> value, None where it is left to its default.

    `once`: whether `method` sets its masks before the first step only; `event`: whether it is an event of score-based rules;
    `share`, `gradients`: whether it uses them.
    """
    reasons = {} if share else {"share": "drops or draws no share of its weights"}
    if not gradients:
        reasons |= dict.fromkeys(("data", "batch_size"), "needs no gradients")
    elif callable(given["data"]):
        reasons["batch_size"] = "takes whole batches from a function as `data`"
    if once:
        reasons |= dict.fromkeys(("every", "until"), "sets its masks once")
    elif event:
        reasons["until"] = "goes on until training ends"
    for name, value in given.items():
        if value is not None and name in reasons:
            raise ValueError(f"{method} {reasons[name]}; leave out `{name}`. Received: {short(value)}")


def optimizer(model, method):
    """Raises ValueError for a model without an optimizer, or with one that does not make a step for each batch."""
    optimizer = getattr(model, "optimizer", None)
    if optimizer is None:
        raise ValueError(f"{method} needs a compiled model: call its `compile` first")
    if optimizer.gradient_accumulation_steps:
        raise ValueError(
            f"{method} counts the steps of the optimizer, which has to make one for each batch. "
            f"Received: gradient_accumulation_steps={optimizer.gradient_accumulation_steps}"
        )


def steps_at_once(model, every, steps):
    """Raises ValueError where masks that change every `every` steps would change within a call of several steps. `steps`: those
    of an epoch, or None."""
    at_once = model.steps_per_execution
    if at_once == "auto":
        raise ValueError(
            'masks change after a number of steps; give `compile` a number. Received: steps_per_execution="auto"'
        )
    if every % at_once:
        raise ValueError(f"`every` must be a multiple of the model's steps_per_execution, {at_once}. Received: {every}")
    if steps and steps % at_once:
        raise ValueError(
            f"steps_per_execution must divide the {steps} steps of an epoch, so that masks change at the right step. "
            f"Received: {at_once}"
        )
