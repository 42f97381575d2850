"""The machines that a run was trained on, where it went on from a checkpoint of another one.

The same machine without oneDNN, or where TensorFlow decides, counts as another one: the last bits differ.
"""

import json

from tf_supermask import files


def with_this(checkpoint):
    """Names of the machines that trained for the file `checkpoint`, if it exists, and of this one, in their order."""
    return list(dict.fromkeys([*_names(checkpoint), _this()]))


def earlier(checkpoint):
    """`{"earlier": names}` for the environment of a record: the other machines of the file `checkpoint`; {} without any."""
    this = _this()
    others = [name for name in _names(checkpoint) if name != this]
    return {"earlier": others} if others else {}


def _names(checkpoint):
    if not checkpoint.exists():
        return []
    try:
        return json.loads(files.arrays(checkpoint, "note")["note"].tobytes()).get("machines", [])
    except files.Damaged:  # since the run has read it
        return []


def _this():
    # It loads TensorFlow, which readers of records do without.
    from tf_supermask.experiments.environment import current_environment

    its = current_environment()
    kernels = {"1": "", "0": ", without oneDNN", None: ", oneDNN as TensorFlow decides"}[its["onednn"]]
    return f"{its['device']}, {its['processor']}{kernels}"
