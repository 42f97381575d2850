"""Which variables of an optimizer belong to which trained variable: momenta and other states of the same shape."""

import keras
from keras import ops

# States of Ftrl and Adagrad do not begin at 0, as those of a grown weight do; Muon moves all weights of a matrix together.
_REFUSED = (keras.optimizers.Ftrl, keras.optimizers.Adagrad, keras.optimizers.Muon)


def slots_of(model):
    """id of a trained variable of a compiled model -> its optimizer's states, variables of its shape.

    Keras names them after the variable: `path_of_the_variable_momentum`. Raises ValueError for an optimizer with states of
    another name or shape: they could move weights that are masked.
    """
    optimizer, slots = model.optimizer, {id(variable): [] for variable in model.trainable_variables}
    if isinstance(optimizer, _REFUSED):
        raise ValueError(
            "masks cannot be changed under this optimizer, which moves masked weights or has states that begin at another number "
            "than 0; use SGD or Adam. "
            f"Received: {type(optimizer).__name__}"
        )
    if not optimizer.built:
        optimizer.build(model.trainable_variables)
    by_prefix = {f"{variable.path.replace('/', '_')}_": variable for variable in model.trainable_variables}
    for state in optimizer.variables:
        if not len(state.shape):
            continue  # steps, learning rate
        prefix = max((prefix for prefix in by_prefix if state.name.startswith(prefix)), key=len, default=None)
        if prefix is None or state.shape != by_prefix[prefix].shape:
            raise ValueError(
                f"masks cannot be changed under this optimizer, whose state {state.name} belongs to no weight; use SGD or Adam. "
                f"Received: {type(optimizer).__name__}"
            )
        slots[id(by_prefix[prefix])].append(state)
    return slots


def clear(variables, mask):
    """Sets the elements of variables outside a bool array to 0."""
    for variable in variables:
        variable.assign(ops.where(mask, variable, ops.zeros_like(variable)))
