"""FCN and Conv2-8 in PyTorch, dense or with the masks of edge-popup, and their training step. Channels last, eager.

    python benchmarks/torch_networks.py CASE NETWORK STEPS THREADS      serves peers.py, in calls of STEPS steps

No TensorFlow is loaded.
"""

import sys

import torch

from tf_supermask.deploy.timing import serve
from tf_supermask.experiments import choices
from tf_supermask.experiments.spec import Spec

CLASSES = 10
KEPT = 0.5  # of the weights of each layer, where edge-popup is at its best


class TopMask(torch.autograd.Function):
    """scores -> 1 for the largest |score|, 0 for the int((1 - kept) n) smallest, by sorting all. The gradient passes as it is.

    Source: Ramanujan et al., What's Hidden in a Randomly Weighted Neural Network?, 2020, section 3.
    """

    @staticmethod
    def forward(ctx, sizes, kept):
        order = sizes.flatten().argsort()
        mask = torch.ones_like(sizes, memory_format=torch.contiguous_format)
        mask.view(-1)[order[: int((1 - kept) * order.numel())]] = 0
        return mask

    @staticmethod
    def backward(ctx, gradient):
        return gradient, None


class EdgePopup(torch.nn.Module):
    """Parametrization of a frozen weight: weight * mask(|score|), of which the score is trained."""

    def __init__(self, weight, kept=KEPT):
        super().__init__()
        bound = weight[0].numel() ** -0.5  # Kaiming uniform with a = sqrt(5)
        self.score = torch.nn.Parameter(torch.empty_like(weight).uniform_(-bound, bound))
        self.kept = kept

    def forward(self, weight):
        return weight * TopMask.apply(self.score.abs(), self.kept)


def network(name, shape, classes):
    """The network `name` of choices.NETWORKS for images of `shape` (height, width, channels): ELU, no biases, logits."""
    widths = choices.NETWORKS[name]
    height, width, channels = shape
    layers = []
    for filters in widths["convs"]:
        for _ in range(2):
            layers += [torch.nn.Conv2d(channels, filters, 3, padding=1, bias=False), torch.nn.ELU()]
            channels = filters
        layers.append(torch.nn.MaxPool2d(2, ceil_mode=True))
        height, width = -(-height // 2), -(-width // 2)
    layers.append(torch.nn.Flatten())
    units = height * width * channels
    for hidden in widths["hidden"]:
        layers += [torch.nn.Linear(units, hidden, bias=False), torch.nn.ELU()]
        units = hidden
    return torch.nn.Sequential(*layers, torch.nn.Linear(units, classes, bias=False)).to(
        memory_format=torch.channels_last
    )


def masked(model):
    """Freezes the weights of `model`, and gives each its scores."""
    for layer in model:
        if hasattr(layer, "weight"):
            layer.weight.requires_grad_(False)
            torch.nn.utils.parametrize.register_parametrization(layer, "weight", EdgePopup(layer.weight))
    return model


def stepper(case, name, threads):
    """A function that trains so many steps on random images: `case` is dense or edge_popup; batch size and optimizer are those
    of a signed run."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    spec = Spec.of(model=name, mode="signed")
    height, width, channels = choices.DATASETS[spec.dataset]
    model = network(name, (height, width, channels), CLASSES)
    model = masked(model) if case == "edge_popup" else model
    x = torch.randn(40 * spec.batch_size, channels, height, width).to(memory_format=torch.channels_last)
    y = torch.randint(CLASSES, (len(x),))
    optimizer = torch.optim.SGD(
        [parameter for parameter in model.parameters() if parameter.requires_grad],
        spec.learning_rate,
        spec.momentum,
        weight_decay=spec.weight_decay,
        nesterov=spec.nesterov,
    )
    loss = torch.nn.CrossEntropyLoss()
    batches = list(zip(x.split(spec.batch_size), y.split(spec.batch_size), strict=True))

    def run(steps):
        for step in range(steps):
            images, labels = batches[step % len(batches)]
            optimizer.zero_grad()
            loss(model(images), labels).backward()
            optimizer.step()

    return run


if __name__ == "__main__":
    case, name, steps, threads = sys.argv[1:]
    train = stepper(case, name, int(threads))
    serve(lambda calls: train(calls * int(steps)))
