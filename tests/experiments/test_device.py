"""Shares of processors and of GPU memory."""

import numpy as np

from tf_supermask.experiments import device


def test_jobs_share_processors_and_gpus():
    assert [device.sliced(job, 4, 1, 80_000) for job in range(2)] == [(0, 18_000), (0, 18_000)]
    assert [device.sliced(job, 3, 2, 10_000) for job in range(3)] == [(0, 4500), (1, 9000), (0, 4500)]
    for gpus in range(1, 5):
        for jobs in range(1, 9):
            used = np.zeros(gpus)
            for job in range(jobs):
                gpu, share = device.sliced(job, jobs, gpus, 10_000)
                used[gpu] += share
            assert (used <= 9000).all() and (used > 8900).sum() == min(gpus, jobs)
