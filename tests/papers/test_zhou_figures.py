"""Stars of the figures of Zhou et al."""

import numpy as np

from tf_supermask.papers.zhou.figures import stars


def test_stars_need_a_significant_lead_over_every_line():
    spread = np.linspace(-0.1, 0.1, 5)[:, None]
    lines = {
        "large_final": spread + [[98, 97, 97]],
        "random": spread + [[98, 96, 90]],
        "movement": spread + [[98, 97, 91]],
    }
    assert stars("large_final", lines) == [2] and stars("random", lines) == []
    assert stars("random", lines, np.less) == [1, 2]
    assert stars("large_final", {name: runs[:4] for name, runs in lines.items()}) == []  # fewer runs than the paper's
