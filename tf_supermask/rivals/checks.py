"""What a model must be compiled like so that masks can change at a step of its training."""


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
