"""The networks of benchmarks/torch_networks.py, where PyTorch is installed."""

import numpy as np
import pytest
from conftest import ROOT

from tf_supermask import sparsity
from tf_supermask.experiments import networks
from tf_supermask.experiments.spec import Spec

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install -e '.[peers]'")

pytestmark = pytest.mark.filterwarnings("ignore:CUDA initialization")  # of a PyTorch with CUDA, on a machine without


@pytest.fixture
def peers(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    return pytest.importorskip("torch_networks")


def test_the_mask_of_edge_popup_keeps_the_largest_scores(peers):
    weight, score = torch.randn(4, 3, 2, 2), torch.randn(4, 3, 2, 2)
    popup = peers.EdgePopup(weight, kept=0.3)
    popup.score.data.copy_(score)
    kept = popup(weight)
    limit = np.sort(np.abs(score.numpy()), axis=None)[int(0.7 * 48)]
    np.testing.assert_array_equal(kept.detach(), weight.numpy() * (np.abs(score.numpy()) >= limit))
    kept.sum().backward()  # d / d score = sign(score) * weight
    np.testing.assert_array_equal(popup.score.grad, np.sign(score.numpy()) * weight.numpy())


@pytest.mark.parametrize("name, shape", [("fcn", (28, 28, 1)), ("conv4", (10, 10, 3))])
def test_the_networks_are_ours(peers, name, shape):
    """The same weights, in PyTorch's order of axes, give the same logits."""
    ours, theirs = networks.build(Spec.of(model=name, mode="baseline"), shape, 10), peers.network(name, shape, 10)
    flat = next(layer for layer in ours.layers if layer.name.startswith("flatten")).input.shape[1:]
    for layer, parameter in zip(sparsity.kernel_layers(ours), theirs.parameters(), strict=True):
        kernel = np.asarray(layer.kernel)
        if layer.name == "fc1":  # PyTorch's Flatten reads channels first
            kernel = kernel.reshape(*flat, -1).transpose(2, 0, 1, 3).reshape(kernel.shape)
        axes = (3, 2, 0, 1) if kernel.ndim == 4 else (1, 0)
        parameter.data.copy_(torch.from_numpy(kernel.transpose(axes).copy()))
    x = np.random.default_rng(0).normal(size=(3, *shape)).astype(np.float32)
    logits = theirs(torch.from_numpy(x).permute(0, 3, 1, 2))
    np.testing.assert_allclose(logits.detach(), ours(x), rtol=1e-4, atol=1e-5)
