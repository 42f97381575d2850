"""What the papers printed, and how ours is shown beside it."""

import dataclasses

import numpy as np
import pandas as pd

from tf_supermask.spec import Spec

# Transcribed by a script from Koster et al. 2022, Tables 1, 2, 3, 4, 5, 12, 13 and Figure 3, at the paper's settings:
# (model, mode, weight scheme) -> measure -> (mean,) or (mean, 5 % quantile, 95 % quantile). Accuracy, remaining weights
# and compression in percent, seconds on the authors' GPU. Misprints: the seconds of conv4 signed xavier (2.51 lies
# outside its interval, about 4.25).
# fmt: off
PAPER = {
    ("fcn", "baseline", "he"): {"test_accuracy": (97.4, 97.3, 97.5), "remaining": (100,), "seconds_per_epoch": (1.23,)},
    ("fcn", "baseline", "elu"): {"test_accuracy": (97.42, 97.3, 97.5), "remaining": (100,), "seconds_per_epoch": (1.21,)},
    ("fcn", "baseline", "xavier"): {"test_accuracy": (97.43, 97.4, 97.5), "remaining": (100,), "seconds_per_epoch": (1.21,)},
    ("fcn", "signed", "he"): {"test_accuracy": (97.12, 97.0, 97.3), "remaining": (4.93, 4.9, 5.0), "seconds_per_epoch": (1.36,)},
    ("fcn", "signed", "elus"): {"test_accuracy": (97.48, 97.3, 97.7), "remaining": (3.77, 3.7, 3.8), "seconds_per_epoch": (1.27,), "csr_compression": (92.01,)},
    ("fcn", "signed", "xavier"): {"test_accuracy": (96.89, 96.8, 97.0), "remaining": (5.51, 5.5, 5.6), "seconds_per_epoch": (1.32,)},
    ("conv2", "baseline", "he"): {"test_accuracy": (68.79, 68.35, 69.19), "test_loss": (0.9083, 0.8986, 0.9166), "seconds_per_epoch": (2.87, 2.86, 2.88)},
    ("conv2", "baseline", "elu"): {"test_accuracy": (68.6, 68.23, 68.99), "test_loss": (0.9189, 0.9047, 0.9331), "seconds_per_epoch": (2.88, 2.85, 2.97)},
    ("conv2", "baseline", "xavier"): {"test_accuracy": (67.93, 67.39, 68.41), "test_loss": (0.9535, 0.9281, 0.9716), "seconds_per_epoch": (2.86, 2.84, 2.88)},
    ("conv2", "signed", "he"): {"test_accuracy": (66.58, 65.92, 67.15), "test_loss": (0.9596, 0.9452, 0.9741), "seconds_per_epoch": (3.16, 3.14, 3.18)},
    ("conv2", "signed", "elus"): {"test_accuracy": (68.37, 67.74, 69.04), "test_loss": (0.9784, 0.9524, 1.009), "seconds_per_epoch": (3.16, 3.14, 3.18), "remaining": (0.6, 0.58, 0.62), "csr_compression": (98.41,)},
    ("conv2", "signed", "xavier"): {"test_accuracy": (54.24, 53.36, 55.39), "test_loss": (1.2862, 1.2608, 1.3067), "seconds_per_epoch": (3.2, 3.15, 3.31)},
    ("conv4", "baseline", "he"): {"test_accuracy": (75.03, 74.71, 75.42), "test_loss": (0.7266, 0.72, 0.7347), "seconds_per_epoch": (3.99, 3.97, 4.01)},
    ("conv4", "baseline", "elu"): {"test_accuracy": (75.0, 74.65, 75.29), "test_loss": (0.7281, 0.7213, 0.7363), "seconds_per_epoch": (3.98, 3.97, 4.0)},
    ("conv4", "baseline", "xavier"): {"test_accuracy": (74.2, 73.68, 74.75), "test_loss": (0.7542, 0.739, 0.7714), "seconds_per_epoch": (3.99, 3.96, 4.01)},
    ("conv4", "signed", "he"): {"test_accuracy": (75.92, 74.93, 76.78), "test_loss": (0.8084, 0.7695, 0.8438), "seconds_per_epoch": (4.22, 4.19, 4.26)},
    ("conv4", "signed", "elus"): {"test_accuracy": (77.4, 76.73, 78.25), "test_loss": (0.8309, 0.7863, 0.8721), "seconds_per_epoch": (4.22, 4.2, 4.25), "remaining": (2.91, 2.9, 3.0), "csr_compression": (93.82,)},
    ("conv4", "signed", "xavier"): {"test_accuracy": (73.99, 73.47, 74.64), "test_loss": (0.7544, 0.739, 0.768), "seconds_per_epoch": (2.51, 4.21, 4.34)},
    ("conv6", "baseline", "he"): {"test_accuracy": (75.54, 74.89, 76.03), "test_loss": (0.7159, 0.7001, 0.7324), "seconds_per_epoch": (4.98, 4.92, 5.32)},
    ("conv6", "baseline", "elu"): {"test_accuracy": (75.91, 75.43, 76.36), "test_loss": (0.7009, 0.6914, 0.7159), "seconds_per_epoch": (4.84, 4.82, 4.85)},
    ("conv6", "baseline", "xavier"): {"test_accuracy": (75.54, 74.98, 76.13), "test_loss": (0.7151, 0.7007, 0.73), "seconds_per_epoch": (4.94, 4.92, 4.96)},
    ("conv6", "signed", "he"): {"test_accuracy": (78.42, 77.57, 79.27), "test_loss": (0.6544, 0.6306, 0.6791), "seconds_per_epoch": (5.07, 5.05, 5.1)},
    ("conv6", "signed", "elus"): {"test_accuracy": (79.17, 78.05, 80.49), "test_loss": (0.6685, 0.6277, 0.7151), "seconds_per_epoch": (5.14, 5.09, 5.21), "remaining": (2.36, 1.9, 2.6), "csr_compression": (95.07,)},
    ("conv6", "signed", "xavier"): {"test_accuracy": (78.47, 77.52, 79.23), "test_loss": (0.6724, 0.6397, 0.7252), "seconds_per_epoch": (5.12, 5.09, 5.2)},
    ("conv8", "baseline", "he"): {"test_accuracy": (72.87, 72.22, 73.53), "test_loss": (0.7857, 0.7675, 0.8026), "seconds_per_epoch": (6.38, 6.27, 6.89)},
    ("conv8", "baseline", "elu"): {"test_accuracy": (72.24, 71.39, 72.92), "test_loss": (0.7979, 0.7814, 0.8208), "seconds_per_epoch": (6.27, 6.26, 6.29)},
    ("conv8", "baseline", "xavier"): {"test_accuracy": (72.81, 72.12, 73.39), "test_loss": (0.7922, 0.7734, 0.8095), "seconds_per_epoch": (6.31, 6.27, 6.39)},
    ("conv8", "signed", "he"): {"test_accuracy": (78.92, 78.17, 79.77), "test_loss": (0.6194, 0.5992, 0.643), "seconds_per_epoch": (6.67, 6.61, 6.74)},
    ("conv8", "signed", "elus"): {"test_accuracy": (80.91, 79.93, 81.71), "test_loss": (0.6057, 0.5769, 0.6511), "seconds_per_epoch": (6.65, 6.6, 6.77), "remaining": (1.17, 1.1, 1.2), "csr_compression": (97.6,)},
    ("conv8", "signed", "xavier"): {"test_accuracy": (78.51, 76.28, 79.92), "test_loss": (0.636, 0.5957, 0.7147), "seconds_per_epoch": (6.68, 6.64, 6.73)},
    ("resnet20", "baseline", "elu"): {"test_accuracy": (84.91, 84.39, 85.56)},
    ("resnet20", "signed", "elus_resnet"): {"test_accuracy": (81.68, 81.03, 82.62), "remaining": (21.13,), "csr_compression": (57.65,)},
    ("resnet20x1.5", "baseline", "elu"): {"test_accuracy": (86.18, 85.59, 86.74)},
    ("resnet20x1.5", "signed", "elus_resnet"): {"test_accuracy": (83.76, 83.01, 84.31), "remaining": (11.93,), "csr_compression": (76.08,)},
    ("resnet20x2", "baseline", "elu"): {"test_accuracy": (86.8, 86.39, 87.21)},
    ("resnet20x2", "signed", "elus_resnet"): {"test_accuracy": (84.42, 83.67, 85.26), "remaining": (7.69,), "csr_compression": (84.58,)},
    ("resnet20x2.5", "baseline", "elu"): {"test_accuracy": (87.08, 86.72, 87.42)},
    ("resnet20x2.5", "signed", "elus_resnet"): {"test_accuracy": (84.71, 84.26, 85.32), "remaining": (5.42,), "csr_compression": (89.13,)},
    ("resnet20x3", "baseline", "elu"): {"test_accuracy": (87.32, 87.0, 87.67)},
    ("resnet20x3", "signed", "elus_resnet"): {"test_accuracy": (84.89, 84.36, 85.48), "remaining": (4.06,), "csr_compression": (91.85,)},
    ("resnet56", "baseline", "elu"): {"test_accuracy": (68.04, 67.84, 68.24)},
    ("resnet56", "signed", "elus_resnet"): {"test_accuracy": (60.01, 59.51, 60.52), "remaining": (29.39,)},
    ("resnet110_1c", "baseline", "elu"): {"test_accuracy": (62.7, 54.8, 68.61)},
    ("resnet110", "signed", "elus_resnet"): {"test_accuracy": (46.42, 46.31, 46.51), "remaining": (20.64,)},
    ("fcn", "binary", "elus"): {"test_accuracy": (97.03,), "remaining": (4.04,)},
}
# fmt: on

# measure of a record's `final` -> (heading, digits after the point)
MEASURES = {
    "test_accuracy": ("test accuracy, %", 2),
    "remaining": ("remaining weights, %", 2),
    "csr_compression": ("CSR compression, %", 2),
    "seconds_per_epoch": ("seconds per epoch", 2),
}


def paper(record):
    """The paper's values for the run of `record`, or an empty dict where the run has other settings than the paper's."""
    spec = record["spec"]
    values = PAPER.get((spec["model"], spec["mode"], spec["weight_scheme"]), {})
    kept = {name: spec[name] for name in ("model", "mode", "seed", "weight_scheme")}
    return values if dataclasses.asdict(Spec.of(**kept)) == spec else {}


def show(values, digits):
    """`97.48 [97.3, 97.7]` of (mean, q05, q95), `97.48` of one value, `-` of none."""
    if not values:
        return "-"
    mean, *interval = (f"{value:.{digits}f}" for value in values)
    return f"{mean} [{', '.join(interval)}]" if interval else mean


def summary(records, measure):
    """(mean, 5 % quantile, 95 % quantile) of a measure over records of one experiment; (value,) of a single one."""
    values = [record["final"][measure] for record in records if record["final"][measure] is not None]
    if len(values) < 2:
        return tuple(values)
    return (float(np.mean(values)), *(float(quantile) for quantile in np.quantile(values, (0.05, 0.95))))


def result(records):
    """Text table of the records of one experiment: a column a measure, a row a seed, their mean, the paper's values."""
    rows = {
        f"seed {r['spec']['seed']}": {m: (r["final"][m],) if r["final"][m] is not None else () for m in MEASURES}
        for r in records
    }
    if len(records) > 1:
        rows["mean [5 %, 95 %]"] = {m: summary(records, m) for m in MEASURES}
    printed = paper(records[0])
    rows["paper"] = {m: printed.get(m, ()) for m in MEASURES}
    if not printed:
        del rows["paper"]
    table = {
        heading: {row: show(values[measure], digits) for row, values in rows.items()}
        for measure, (heading, digits) in MEASURES.items()
    }
    return pd.DataFrame(table).to_string()
