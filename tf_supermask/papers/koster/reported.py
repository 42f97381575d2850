"""What 'Signing the Supermask' (Koster et al. 2022) printed, transcribed by a script; nothing here was typed by hand.

`PAPER`: experiment -> measure -> (mean,) or (mean, 5 % quantile, 95 % quantile) over 50 runs, 3 for ResNet56 and 110.
Accuracies, remaining weights, compression and additional time in percent, seconds on the authors' GPU. Source: Tables 1, 3,
4, 5, 6, 12, 13, Figure 3, section 3.1 (FCN's cost), Appendices D to F (text).
"""

# fmt: off
PAPER = {
    "koster_table1_fcn_baseline_he": {"test_accuracy": (97.4, 97.3, 97.5), "seconds_per_epoch": (1.23,)},
    "koster_table1_fcn_baseline_elu": {"test_accuracy": (97.42, 97.3, 97.5), "seconds_per_epoch": (1.21,)},
    "koster_table1_fcn_baseline_xavier": {"test_accuracy": (97.43, 97.4, 97.5), "seconds_per_epoch": (1.21,)},
    "koster_table1_fcn_signed_he": {"test_accuracy": (97.12, 97.0, 97.3), "remaining": (4.93, 4.9, 5.0), "seconds_per_epoch": (1.36,)},
    "koster_table1_fcn_signed_elus": {"test_accuracy": (97.48, 97.3, 97.7), "remaining": (3.77, 3.7, 3.8), "seconds_per_epoch": (1.27,), "csr_compression": (92.01,), "additional_time": (5,)},
    "koster_table1_fcn_signed_xavier": {"test_accuracy": (96.89, 96.8, 97.0), "remaining": (5.51, 5.5, 5.6), "seconds_per_epoch": (1.32,)},
    "koster_fig3_fcn_binary": {"test_accuracy": (97.03,), "remaining": (4.04,)},
    "koster_table12_conv2_baseline_he": {"test_accuracy": (68.79, 68.35, 69.19), "test_loss": (0.9083, 0.8986, 0.9166), "seconds_per_epoch": (2.87, 2.86, 2.88)},
    "koster_table12_conv2_baseline_elu": {"test_accuracy": (68.6, 68.23, 68.99), "test_loss": (0.9189, 0.9047, 0.9331), "seconds_per_epoch": (2.88, 2.85, 2.97)},
    "koster_table12_conv2_baseline_xavier": {"test_accuracy": (67.93, 67.39, 68.41), "test_loss": (0.9535, 0.9281, 0.9716), "seconds_per_epoch": (2.86, 2.84, 2.88)},
    "koster_table12_conv2_signed_he": {"test_accuracy": (66.58, 65.92, 67.15), "test_loss": (0.9596, 0.9452, 0.9741), "seconds_per_epoch": (3.16, 3.14, 3.18)},
    "koster_table12_conv2_signed_elus": {"test_accuracy": (68.37, 67.74, 69.04), "test_loss": (0.9784, 0.9524, 1.009), "seconds_per_epoch": (3.16, 3.14, 3.18), "remaining": (0.6, 0.58, 0.62), "csr_compression": (98.41,), "additional_time": (10.14,)},
    "koster_table12_conv2_signed_xavier": {"test_accuracy": (54.24, 53.36, 55.39), "test_loss": (1.2862, 1.2608, 1.3067), "seconds_per_epoch": (3.2, 3.15, 3.31)},
    "koster_table12_conv4_baseline_he": {"test_accuracy": (75.03, 74.71, 75.42), "test_loss": (0.7266, 0.72, 0.7347), "seconds_per_epoch": (3.99, 3.97, 4.01)},
    "koster_table12_conv4_baseline_elu": {"test_accuracy": (75.0, 74.65, 75.29), "test_loss": (0.7281, 0.7213, 0.7363), "seconds_per_epoch": (3.98, 3.97, 4.0)},
    "koster_table12_conv4_baseline_xavier": {"test_accuracy": (74.2, 73.68, 74.75), "test_loss": (0.7542, 0.739, 0.7714), "seconds_per_epoch": (3.99, 3.96, 4.01)},
    "koster_table12_conv4_signed_he": {"test_accuracy": (75.92, 74.93, 76.78), "test_loss": (0.8084, 0.7695, 0.8438), "seconds_per_epoch": (4.22, 4.19, 4.26)},
    "koster_table12_conv4_signed_elus": {"test_accuracy": (77.4, 76.73, 78.25), "test_loss": (0.8309, 0.7863, 0.8721), "seconds_per_epoch": (4.22, 4.2, 4.25), "remaining": (2.91, 2.9, 3.0), "csr_compression": (93.82,), "additional_time": (6.02,)},
    "koster_table12_conv4_signed_xavier": {"test_accuracy": (73.99, 73.47, 74.64), "test_loss": (0.7544, 0.739, 0.768), "seconds_per_epoch": (2.51, 4.21, 4.34)},
    "koster_table12_conv6_baseline_he": {"test_accuracy": (75.54, 74.89, 76.03), "test_loss": (0.7159, 0.7001, 0.7324), "seconds_per_epoch": (4.98, 4.92, 5.32)},
    "koster_table12_conv6_baseline_elu": {"test_accuracy": (75.91, 75.43, 76.36), "test_loss": (0.7009, 0.6914, 0.7159), "seconds_per_epoch": (4.84, 4.82, 4.85)},
    "koster_table12_conv6_baseline_xavier": {"test_accuracy": (75.54, 74.98, 76.13), "test_loss": (0.7151, 0.7007, 0.73), "seconds_per_epoch": (4.94, 4.92, 4.96)},
    "koster_table12_conv6_signed_he": {"test_accuracy": (78.42, 77.57, 79.27), "test_loss": (0.6544, 0.6306, 0.6791), "seconds_per_epoch": (5.07, 5.05, 5.1)},
    "koster_table12_conv6_signed_elus": {"test_accuracy": (79.17, 78.05, 80.49), "test_loss": (0.6685, 0.6277, 0.7151), "seconds_per_epoch": (5.14, 5.09, 5.21), "remaining": (2.36, 1.9, 2.6), "csr_compression": (95.07,), "additional_time": (6.25,)},
    "koster_table12_conv6_signed_xavier": {"test_accuracy": (78.47, 77.52, 79.23), "test_loss": (0.6724, 0.6397, 0.7252), "seconds_per_epoch": (5.12, 5.09, 5.2)},
    "koster_table12_conv8_baseline_he": {"test_accuracy": (72.87, 72.22, 73.53), "test_loss": (0.7857, 0.7675, 0.8026), "seconds_per_epoch": (6.38, 6.27, 6.89)},
    "koster_table12_conv8_baseline_elu": {"test_accuracy": (72.24, 71.39, 72.92), "test_loss": (0.7979, 0.7814, 0.8208), "seconds_per_epoch": (6.27, 6.26, 6.29)},
    "koster_table12_conv8_baseline_xavier": {"test_accuracy": (72.81, 72.12, 73.39), "test_loss": (0.7922, 0.7734, 0.8095), "seconds_per_epoch": (6.31, 6.27, 6.39)},
    "koster_table12_conv8_signed_he": {"test_accuracy": (78.92, 78.17, 79.77), "test_loss": (0.6194, 0.5992, 0.643), "seconds_per_epoch": (6.67, 6.61, 6.74)},
    "koster_table12_conv8_signed_elus": {"test_accuracy": (80.91, 79.93, 81.71), "test_loss": (0.6057, 0.5769, 0.6511), "seconds_per_epoch": (6.65, 6.6, 6.77), "remaining": (1.17, 1.1, 1.2), "csr_compression": (97.6,), "additional_time": (6.0,)},
    "koster_table12_conv8_signed_xavier": {"test_accuracy": (78.51, 76.28, 79.92), "test_loss": (0.636, 0.5957, 0.7147), "seconds_per_epoch": (6.68, 6.64, 6.73)},
    "koster_table4_resnet20_baseline": {"test_accuracy": (84.91, 84.39, 85.56)},
    "koster_table4_resnet20_signed": {"test_accuracy": (81.68, 81.03, 82.62), "remaining": (21.13,), "csr_compression": (57.65,), "additional_time": (3.42,)},
    "koster_table4_resnet20x1.5_baseline": {"test_accuracy": (86.18, 85.59, 86.74)},
    "koster_table4_resnet20x1.5_signed": {"test_accuracy": (83.76, 83.01, 84.31), "remaining": (11.93,), "csr_compression": (76.08,), "additional_time": (8.53,)},
    "koster_table4_resnet20x2_baseline": {"test_accuracy": (86.8, 86.39, 87.21)},
    "koster_table4_resnet20x2_signed": {"test_accuracy": (84.42, 83.67, 85.26), "remaining": (7.69,), "csr_compression": (84.58,), "additional_time": (13.69,)},
    "koster_table4_resnet20x2.5_baseline": {"test_accuracy": (87.08, 86.72, 87.42)},
    "koster_table4_resnet20x2.5_signed": {"test_accuracy": (84.71, 84.26, 85.32), "remaining": (5.42,), "csr_compression": (89.13,), "additional_time": (14.42,)},
    "koster_table4_resnet20x3_baseline": {"test_accuracy": (87.32, 87.0, 87.67)},
    "koster_table4_resnet20x3_signed": {"test_accuracy": (84.89, 84.36, 85.48), "remaining": (4.06,), "csr_compression": (91.85,), "additional_time": (12.57,)},
    "koster_table5_resnet56_baseline": {"test_accuracy": (68.04, 67.84, 68.24)},
    "koster_table5_resnet56_signed": {"test_accuracy": (60.01, 59.51, 60.52), "remaining": (29.39,)},
    "koster_table5_resnet110_baseline": {"test_accuracy": (62.7, 54.8, 68.61)},
    "koster_table5_resnet110_signed": {"test_accuracy": (46.42, 46.31, 46.51), "remaining": (20.64,)},
    "koster_table6_resnet20_bn": {"test_accuracy": (83.38, 82.87, 83.92), "remaining": (15.54,)},
    "koster_table6_resnet56_bn": {"test_accuracy": (64.24, 63.9, 64.58), "remaining": (27.59,)},
    "koster_table6_resnet110_bn": {"test_accuracy": (53.67, 53.63, 53.72), "remaining": (3.86,)},
    "koster_appendix_d_fcn_he_uniform": {"test_accuracy": (96.77,)},
    "koster_appendix_e_fcn_elus_elus": {"test_accuracy": (97.36,)},
    "koster_table15_fcn_sinn1": {"remaining": (1.4,)},
}

# Figure 3: kind of mask -> percent of FCN's first layer that all 50 runs prune, and its inputs of which they prune all weights
ALWAYS_PRUNED = {"signed": (54.11, 284), "binary": (43.63, 144)}

# Table 10: network -> percent of the weights that are masked before training
INITIAL_PRUNING = {"fcn": 6.3, "conv2": 29.5, "conv4": 19.3, "conv6": 11.9, "conv8": 12.9}

# Table -> rows of other papers that it quotes: what, test accuracy in percent, remaining weights in percent
QUOTED = {
    "koster_table1": (
        ("Zhou et al. 2019, FCN", 98.0, "11-93"),
    ),
    "koster_table2": (
        ("Zhou et al. 2019, Conv2", 66.0, "11-93"),
        ("Zhou et al. 2019, Conv4", 72.5, "11-93"),
        ("Zhou et al. 2019, Conv6", 76.5, "11-93"),
        ("Ramanujan et al. 2020, Conv2", 65, "10"),
        ("Ramanujan et al. 2020, Conv4", 74, "10"),
        ("Ramanujan et al. 2020, Conv6", 77, "10"),
        ("Ramanujan et al. 2020, Conv8", 70, "10"),
        ("Diffenderfer and Kailkhura 2021, Conv2", 70, "10"),
        ("Diffenderfer and Kailkhura 2021, Conv4", 79, "10"),
        ("Diffenderfer and Kailkhura 2021, Conv6", 82, "10"),
        ("Diffenderfer and Kailkhura 2021, Conv8", 85, "10"),
    ),
}

# Table 14: name, network, weights, test accuracy on CIFAR-10 in percent, initial weights, remaining weights
LITERATURE = (
    ("Supermask", "Conv6", "Masked (B)", 76.5, "2.3 M", "0.25 M - 2.1 M"),
    ("edge-popup", "Conv8", "Masked (B)", 86, "5.3 M", "2.6 M"),
    ("IteRand", "Conv6 x2", "Masked (B)", 90, "4.6 M", "2.3 M"),
    ("MPT-1/32", "Conv8", "Masked (B)", 91.48, "5.3 M", "0.23 M"),
    ("MPT-1/32 + BN", "ResNet-18", "Masked (B)", 94.8, "11.2 M", "2.2 M"),
    ("FORCE", "VGG-19", "Masked (B)", 90, "20 M", "0.1 M"),
    ("SET", "VGG-Small", "Pruned", 88, "8.7 M", "0.47 M"),
    ("RigL", "Wide ResNet 22-2", "Pruned", 94, "26.8 M", "13.4 M"),
    ("GraNet", "VGG-19", "Pruned", 93.1, "20 M", "1 M"),
    ("TWN", "VGG-Small", "Ternarized", 92.56, "5.1 M", "5.1 M"),
    ("TTQ", "ResNet-20", "Ternarized", 91.13, "0.27 M", "0.27 M"),
    ("SCA", "VGG-Small", "Ternarized", 93.41, "4.9 M", "4.9 M"),
    ("LR-Net", "VGG-Small", "Ternarized", 93.26, "5.1 M", "5.1 M"),
    ("BinaryConnect", "VGG-Small", "Binarized", 91.7, "4.6 M", "4.6 M"),
    ("BNN", "VGG-Small", "Binarized", 88.6, "4.6 M", "4.6 M"),
    ("BBG", "ResNet-20", "Binarized", 85.3, "0.27 M", "0.27 M"),
    ("Sig. Supermask", "Conv8", "Masked (T)", 80.91, "5.3 M", "0.061 M"),
    ("Sig. Supermask + BN", "ResNet-20", "Masked (T)", 83.38, "0.27 M", "0.038 M"),
)
