"""Spec: everything that decides the outcome of a run, with the papers' values as defaults.

A field that a run does not read is None, and setting it is an error. The command line flags are made from the fields.
"""

import dataclasses

from tf_supermask.errors import InputError
from tf_supermask.experiments import choices, conditions, criteria, splits
from tf_supermask.experiments.choices import LEARNED, PRUNED
from tf_supermask.experiments.conditions import equals
from tf_supermask.experiments.fields import aged, check, spec_field, typed
from tf_supermask.experiments.paper_settings import paper_settings
from tf_supermask.experiments.rival_settings import RIVALS
from tf_supermask.experiments.scales import scaled_down

WHAT, DATA, TRAINING = "what to train", "data", "training"
INIT, MASK, LOTTERY = "initialization", "masks", "lottery tickets"


@dataclasses.dataclass(frozen=True)
class Spec:
    """One run, made with `Spec.of`. All fields are plain numbers, strings and booleans, or None."""

    model: str = spec_field(WHAT, "network", choices=choices.NETWORKS)
    mode: str = spec_field(WHAT, choices.MODES_IN_WORDS, choices=choices.modes)
    dialect: str = spec_field(WHAT, choices.VARIANTS_IN_WORDS, choices=choices.VARIANTS)
    scale: str = spec_field(
        WHAT,
        "paper: the run as the other flags say; reduced: a tenth of its epochs and schedule; quick: that on embedded digits",
        choices=choices.SCALES,
    )
    seed: int = spec_field(WHAT, "decides initial weights, initial scores and the order of the batches", low=0)

    dataset: str = spec_field(
        DATA,
        f"one of {', '.join(choices.DATASETS)}, any image classification set of tfds, or a folder with images in SPLIT/CLASS/",
    )
    splits: str = spec_field(
        DATA,
        "two splits or parts, to train on and for the test: train,validation or train[:80%],train[80%:]; default: train,test",
        when=lambda spec: spec["dataset"] not in choices.EMBEDDED,
        parse=splits.names_of,
    )
    preprocess: str = spec_field(
        DATA, "standardize: each image to mean 0, deviation 1; unit: divide by 255", choices=choices.PREPROCESS
    )
    augment: bool = spec_field(DATA, "pad by 4, flip and crop at random")
    affine: float = spec_field(
        DATA, "strength of random rotation, shear, scaling and shift; 1 suits digits", above=0, optional=conditions.always
    )
    shuffle: bool = spec_field(DATA, "new order of the training images in each epoch; off: the file order, always")
    passes: int = spec_field(
        DATA, "passes through the training images that count as one epoch", low=1, when=conditions.epochs
    )
    batch_size: int = spec_field(DATA, "images per step; the last, smaller batch of an epoch is kept", low=1)

    epochs: int = spec_field(TRAINING, "epochs", low=1, when=conditions.epochs)
    optimizer: str = spec_field(TRAINING, "optimizer", choices=("sgd", "adam"))
    learning_rate: float = spec_field(TRAINING, "initial learning rate", above=0)
    momentum: float = spec_field(TRAINING, "momentum of SGD", low=0, below=1, when=equals("optimizer", "sgd"))
    nesterov: bool = spec_field(TRAINING, "Nesterov momentum", when=equals("optimizer", "sgd"))
    weight_decay: float = spec_field(
        TRAINING,
        "decoupled decay per step, as in the paper: not multiplied by the learning rate, but scheduled like it",
        low=0,
    )
    clipnorm: float = spec_field(TRAINING, "clip each tensor's gradient to this norm; 0: no clipping", low=0)
    schedule: str = spec_field(
        TRAINING,
        "learning rate schedule; cosine: from epoch to epoch, to 0 after the last",
        choices=("constant", "staircase", "plateau", "cosine"),
    )
    decay_rate: float = spec_field(
        TRAINING, "factor of each stair", above=0, low=0, when=equals("schedule", "staircase")
    )
    decay_steps: int = spec_field(TRAINING, "steps between two stairs", low=1, when=equals("schedule", "staircase"))
    plateau_factor: float = spec_field(TRAINING, "factor at a plateau", above=0, below=1, when=conditions.plateau)
    plateau_patience: int = spec_field(
        TRAINING, "stagnating epochs before the factor is applied", low=3, when=conditions.plateau
    )
    plateau_rest: int = spec_field(
        TRAINING, "epochs that are not looked at, at the start and after each reduction", low=1, when=conditions.plateau
    )
    plateau_limit: int = spec_field(TRAINING, "training stops after so many reductions", low=1, when=conditions.plateau)
    shrink: bool = spec_field(
        TRAINING,
        "go on without units that are dead for good, where it pays: the same numbers but for rounding, in less time",
        when=conditions.shrinks,
        rounding=True,
    )

    weight_scheme: str = spec_field(INIT, "variance of the weights", choices=choices.SCHEMES)
    weight_distribution: str = spec_field(INIT, "distribution of the weights", choices=choices.DISTRIBUTIONS)
    weight_fan: str = spec_field(
        INIT, "inputs of a unit that the variance of frozen weights counts: all, or kept, the share that is --density",
        choices=choices.FANS, when=conditions.weight_fan, absent="all",
    )  # fmt: skip
    score_scheme: str = spec_field(INIT, "variance of the scores", choices=choices.SCHEMES, when=conditions.scored)
    score_distribution: str = spec_field(
        INIT, "distribution of the scores", choices=choices.DISTRIBUTIONS, when=conditions.scored
    )
    batch_norm: str = spec_field(
        INIT,
        "batch normalization of ResNets: trainable, or frozen (nearly the identity)",
        choices=("trainable", "frozen"),
        when=lambda spec: spec["model"].startswith("resnet"),
    )

    score_value: float = spec_field(
        MASK, "value that all scores start at; sigmoid of it is kept at first", when=conditions.learned
    )
    rescale: bool = spec_field(
        MASK, "kernel times size / remaining weights (dynamic weight rescaling)", when=conditions.learned
    )
    threshold: float = spec_field(MASK, "absolute threshold of the mask rule", above=0, when=conditions.threshold)
    relative_threshold: float = spec_field(
        MASK,
        "threshold as a share of each layer's largest initial |score|, instead of --threshold",
        above=0,
        below=1,
        when=conditions.relative_threshold,
    )
    density: float = spec_field(
        MASK,
        "share of weights that remain, set, not learned",
        above=0,
        most=1,
        when=conditions.density,
        optional=conditions.density_is_optional,
    )
    allocation: str = spec_field(
        MASK,
        "how the density is shared among layers: uniform; erk, more in small layers; global, one ranking of all weights",
        choices=choices.ALLOCATIONS,
        when=conditions.allocation,
    )
    method: str = spec_field(
        MASK, "masks of the trained weights of the mode sparse", choices=tuple(choices.METHODS), when=conditions.sparse
    )
    update_every: int = spec_field(
        MASK, "steps between two changes of masks, or of pruned weights", low=1, when=conditions.updated
    )
    update_share: float = spec_field(
        MASK,
        "share of kept weights that a change drops for others, at first; of iterand: of pruned weights that are drawn again",
        above=0,
        most=1,
        when=conditions.moved,
    )

    criterion: str = spec_field(LOTTERY, "which weights to keep", choices=criteria.CRITERIA, when=conditions.chain)
    mask1_action: str = spec_field(
        LOTTERY, "what kept weights start with", choices=criteria.MASK1_ACTIONS, when=conditions.chain
    )
    mask0_action: str = spec_field(
        LOTTERY, "what pruned weights are frozen at", choices=criteria.MASK0_ACTIONS, when=conditions.chain
    )
    rounds: int = spec_field(
        LOTTERY, "rounds, or levels, of pruning; 0: the dense network", low=0, below=255, when=conditions.rounds
    )
    prune_dense: float = spec_field(
        LOTTERY, "share of a dense layer pruned in a round", above=0, below=1, when=conditions.levels
    )
    prune_conv: float = spec_field(
        LOTTERY, "share of a convolution pruned in a round", above=0, below=1, when=conditions.levels
    )
    prune_output: float = spec_field(
        LOTTERY, "share of the last layer pruned in a round", above=0, below=1, when=conditions.levels
    )
    iterations: int = spec_field(LOTTERY, "steps of each training", low=1, when=conditions.iterations)
    evaluate_every: int = spec_field(LOTTERY, "steps between two evaluations", low=1, when=conditions.iterations)
    validation_images: int = spec_field(
        LOTTERY, "training images held out to choose the iteration that counts", low=1, when=conditions.iterations
    )

    @property
    def masked(self):
        """Whether the mode is a mask rule: weights are frozen and scores are trained."""
        return self.mode in choices.rules()

    @property
    def sampled(self):
        """Whether the masks are samples, so that accuracies are means over samples."""
        from tf_supermask import masks  # loads Keras, which flags do without

        return self.masked and masks.rule(self.mode).sampled

    def __post_init__(self):
        values = dataclasses.asdict(self)
        if all(value is None for value in values.values()):
            raise InputError("Spec() has no settings; Spec.of(model='fcn', mode='signed') has the paper's")
        for field in dataclasses.fields(self):
            check(field, values)
        conditions.check_combinations(values)

    @classmethod
    def of(cls, **given):
        """The paper's settings for `model` and `mode`, with the values in `given` in place of the paper's. They describe the run
        at paper scale, which `scale` then scales down.

        Raises InputError for an unknown field, and for a value that is out of range or has no effect.
        """
        names = [field.name for field in dataclasses.fields(cls)]
        if unknown := sorted(set(given) - set(names)):
            raise InputError(f"unknown setting {', '.join(unknown)}; there are {', '.join(names)}")
        variant = "zhou" if given.get("mode") in PRUNED else "koster"
        variant = "relu" if given.get("mode") in (*LEARNED, *RIVALS) else variant
        values = {"model": "fcn", "mode": "signed", "dialect": variant, "scale": "paper"} | given
        for field in dataclasses.fields(cls)[:4]:  # the four that decide the defaults
            check(field, values)
        values = paper_settings(values["model"], values["mode"], values["dialect"], values.get("method")) | values
        if any(given.get(limit) is not None for limit in conditions.LIMITS):
            values |= {limit: given.get(limit) for limit in conditions.LIMITS}
        values = {field.name: typed(field, values.get(field.name)) for field in dataclasses.fields(cls)}
        # A default that this run does not read becomes None. A given value stays, and the check below raises the error.
        for field in dataclasses.fields(cls):
            off = "rounding" in field.metadata and given.get(field.name) is False
            if (off or field.name not in given) and not field.metadata.get("when", lambda _: True)(values):
                values[field.name] = None
        return scaled_down(cls(**values), given)

    @classmethod
    def recorded(cls, settings, path):
        """The Spec of `settings`, a dict from the file at `path`; a field that is younger than the file counts as `aged` says.

        Raises InputError where this version takes no such settings: a newer one wrote the file, or they are wrong.
        """
        known = {field.name: field for field in dataclasses.fields(cls)}
        newer = sorted(settings.keys() - known.keys())
        if newer:
            raise InputError(
                f"{path} is of a newer version of tf_supermask: this one does not know {', '.join(newer)}; update it"
            )
        try:
            return cls(**aged(known, settings))
        except InputError as error:
            raise InputError(f"{path} has settings that this version of tf_supermask does not take: {error}") from error


ROUNDING = [field.name for field in dataclasses.fields(Spec) if "rounding" in field.metadata]


def differences(one, other):
    """Names of the fields in which two Specs differ, sorted; what changes rounding only counts where both say it."""
    names = [field.name for field in dataclasses.fields(Spec) if getattr(one, field.name) != getattr(other, field.name)]
    unsaid = [name for name in ROUNDING if None in (getattr(one, name), getattr(other, name))]
    return sorted(set(names) - set(unsaid))
