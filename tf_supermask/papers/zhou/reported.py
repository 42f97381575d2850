"""What 'Deconstructing Lottery Tickets' (Zhou et al. 2019) printed, transcribed by a script; nothing here was typed by hand.

`PAPER`: experiment -> measure -> (mean,) over 5 runs, accuracies in percent. Source: Table 1 (Table S2 of the short version); the
rescaled signed constants are of the camera-ready version, as 'Signing the Supermask' quotes it.
"""

# fmt: off
PAPER = {
    "zhou_dense_fcn": {"test_accuracy": (97.7,)},
    "zhou_dense_conv2": {"test_accuracy": (69.2,)},
    "zhou_dense_conv4": {"test_accuracy": (75.4,)},
    "zhou_dense_conv6": {"test_accuracy": (78.3,)},
    "zhou_fig7_fcn/init": {"test_accuracy": (79.3,)},
    "zhou_fig7_conv2/init": {"test_accuracy": (22.3,)},
    "zhou_fig7_conv4/init": {"test_accuracy": (23.7,)},
    "zhou_fig7_conv6/init": {"test_accuracy": (24.0,)},
    "zhou_fig7_fcn/signed_constant": {"test_accuracy": (86.3,)},
    "zhou_fig7_conv2/signed_constant": {"test_accuracy": (37.4,)},
    "zhou_fig7_conv4/signed_constant": {"test_accuracy": (39.7,)},
    "zhou_fig7_conv6/signed_constant": {"test_accuracy": (41.0,)},
    "zhou_learned_fcn/best": {"test_accuracy": (95.3,)},
    "zhou_learned_conv2/best": {"test_accuracy": (64.4,)},
    "zhou_learned_conv4/best": {"test_accuracy": (65.4,)},
    "zhou_learned_conv6/best": {"test_accuracy": (65.3,)},
    "zhou_learned_fcn_rescaled_constant": {"test_accuracy": (98.0,)},
    "zhou_learned_conv2_rescaled_constant": {"test_accuracy": (66.0,)},
    "zhou_learned_conv4_rescaled_constant": {"test_accuracy": (72.5,)},
    "zhou_learned_conv6_rescaled_constant": {"test_accuracy": (76.5,)},
}

# Long version, section 5, in words: what an untrained network reaches under a mask of large_final, "nearly 40 percent"
LARGE_FINAL = {"fcn": 40.0}

# FC, test accuracy in percent by criterion and round: an independent run of the authors' code, mean of 5 (McGill's contribution
# to the NeurIPS 2019 reproducibility challenge). The paper shows these curves as graphics only.
REFERENCE = {
    "dense": {0: 97.92},
    "large_final": {5: 98.24, 10: 98.31, 14: 98.12, 18: 97.57, 20: 96.99, 22: 95.93, 24: 93.97},
    "magnitude_increase": {5: 98.25, 10: 98.28, 14: 98.1, 18: 97.52, 20: 96.94, 22: 96.23, 24: 94.43},
    "movement": {5: 98.15, 10: 98.2, 14: 97.93, 18: 97.34, 20: 96.75, 22: 95.67, 24: 93.36},
    "large_init_large_final": {5: 98.0, 10: 97.81, 14: 97.02, 18: 94.91, 20: 92.08, 22: 84.08, 24: 59.84},
    "large_init": {5: 97.79, 10: 97.32, 14: 96.39, 18: 93.62, 20: 89.38, 22: 75.29, 24: 45.42},
    "random": {5: 97.67, 10: 97.32, 14: 96.4, 18: 93.81, 20: 87.54, 22: 67.6, 24: 35.85},
    "small_init": {5: 97.74, 10: 97.02, 14: 95.86, 18: 89.53, 20: 74.74, 22: 50.4, 24: 29.54},
    "small_init_small_final": {5: 97.81, 10: 96.97, 14: 94.34, 18: 37.66, 20: 13.86, 22: 11.35, 24: 11.35},
    "small_final": {5: 97.76, 10: 88.59, 14: 11.65, 18: 11.35, 20: 11.35, 22: 11.35, 24: 11.35},
}

# Table S1: weights, iterations, learning rate, and the shares in percent pruned in a round: convolutions, dense layers
SETTINGS = {
    "fcn": ("266K", 50_000, 0.0012, (20.0,)),
    "conv2": ("4.3M / 38K", 20_000, 0.0002, (10.0, 20.0)),
    "conv4": ("2.4M / 260K", 25_000, 0.0003, (10.0, 20.0)),
    "conv6": ("2.3M / 1.1M", 30_000, 0.0003, (15.0, 20.0)),
}
