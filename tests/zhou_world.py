"""A made-up world in which all claims of Zhou et al. hold: printed numbers, and curves as the paper's."""

import numpy as np

from tf_supermask.experiments.criteria import CRITERIA as CRITERIA_OF_SUPERMASKS
from tf_supermask.papers.zhou import reported as zhou_reported
from tf_supermask.papers.zhou.claims.common import full_length
from tf_supermask.papers.zhou.names import (
    GRID,
    NETS,
    NINE,
    NO_SIGN,
    SIGN,
    TREATMENTS,
    chain,
    dense,
    learned,
    supermask,
)

LEVELS = np.arange(15)  # 0.7 ** 14 is less than 1 %
LEFT = 100 * 0.7**LEVELS
FEW = LEFT < 3


def pruned(points, earlier=0):
    """A chain: after round k, `points` (a number for each k, or one times k) more accurate than random pruning, which loses .4
    points a round of the dense network's 98 %; training stops so much `earlier`."""
    lead = points * LEVELS if np.isscalar(points) else points
    accuracy = 98 - 0.4 * LEVELS + lead
    history = {"remaining": LEFT, "best_iteration": 1000.0 - earlier + 0 * LEVELS}
    history |= {"toward_zero": 10.0 + 0 * LEVELS, "toward_zero_pruned": 60.0 + 0 * LEVELS}
    return {"history": history | {"test_accuracy": lambda seed: accuracy + 0.02 * seed}}


CRITERIA = dict.fromkeys(NINE, 0.0) | {
    "large_final": 0.5,
    "magnitude_increase": 0.52,
    "movement": 0.4,
    "large_init": 0.1,
    "large_init_large_final": 0.2,
    "small_init": -0.12,
    "small_final": -0.5,
    "small_init_small_final": -0.4,
}
MASK1 = dict.fromkeys(NO_SIGN, 0.1) | dict.fromkeys(SIGN, 0.48)
MASK0 = {"init": np.where(FEW, 0.55, 0.4) * LEVELS, "toward_zero": 0.5 * LEVELS + 0.05, "toward_zero_all": 0.55}
# of a supermask: criterion -> best accuracy on initial weights, on signed constants; of same_sign what the paper prints
HEURISTIC = dict.fromkeys(CRITERIA_OF_SUPERMASKS, (11.0, 11.0)) | {
    "large_final": (16.0, 14.0),
    "random": (10.5, 10.5),
    "large_final_diff_sign": (10.6, 11.2),
}


def masks_of_trained(net, **changes):
    """One-shot supermasks."""
    heuristic = HEURISTIC | {
        "large_final_same_sign": tuple(zhou_reported.PAPER[supermask(net, t)]["test_accuracy"][0] for t in TREATMENTS)
    }
    history = {"remaining": LEFT[:5], "untrained": [10.0], "trained": [98.0]}
    for criterion, best in (heuristic | changes).items():
        for treatment, top in zip(TREATMENTS, best, strict=True):
            history[f"{criterion}/{treatment}/test"] = lambda seed, top=top: [9.0, top + 0.02 * seed, 9.5, 9.0, 9.0]
    history |= {"movement/sign_changed": [50.0] * 5, "magnitude_increase/sign_changed": [30.0] * 5}
    return {"history": history, "spec": {"rounds": 4}}


def learned_mask(net, accuracy, score=0, out=0.7, loss=1.5):
    """Learned for as many epochs as the paper has iterations; from a score of 5, 7 % is pruned."""
    kept, iterations = 93.6 / (1 + np.exp(-score)), full_length(net)
    layers = {"fc1": ((300, 100), 0.5), "out": ((100, 10), out)}
    history = {"val_loss": [2.0, 1.0, loss]}
    spec = {"iterations": iterations, "score_value": float(score)}
    return {"test_accuracy": accuracy, "remaining": kept, "layers": layers, "history": history, "spec": spec}


def world():
    made = {}
    for net in NETS:
        stops = {"large_final": 100, "magnitude_increase": 120}
        made |= {chain(net, c): pruned(lead, stops.get(c, 0)) for c, lead in CRITERIA.items()}
        made |= {chain(net, mask1=action): pruned(lead) for action, lead in MASK1.items()}
        made |= {chain(net, mask0=action): pruned(lead) for action, lead in MASK0.items()}
        made |= {supermask(net): masks_of_trained(net)}
        trained, best = (zhou_reported.PAPER[name]["test_accuracy"][0] for name in (dense(net), learned(net)))
        made |= {dense(net): {"test_accuracy": trained}}
        made |= {learned(net, s): learned_mask(net, best - 2 if s > -3 else 10.0, s) for s in GRID}
        made |= {learned(net): made[learned(net, 0)]}
        made |= {learned(net, "epochs"): learned_mask(net, best)}
        made |= {learned(net, "rounded"): learned_mask(net, best - 3, 1)}
    return made


WORLD = world()
