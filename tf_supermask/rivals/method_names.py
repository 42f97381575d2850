"""Names of the methods of sparse training, and how each can share its density among layers. Loads nothing: flags need them."""

_RANKED, _FIXED = ("global", "uniform", "erk"), ("erk", "uniform")
ALLOCATIONS = {  # method -> allocations, the default first
    "static": _FIXED,
    "magnitude": _RANKED,
    "snip": _RANKED,
    "force": _RANKED,
    "set": _FIXED,
    "rigl": _FIXED,
    "granet": _RANKED,
}
