"""The voice's linear evidence, fitted by itself: a convex problem that needs neither luck nor many steps.

With few speakers to learn from, a regularised linear classifier of the voice's statistics is hard to beat,
so it is what the rest of the network starts from.
"""

from __future__ import annotations

import torch
from torch import Tensor

from stream_emo.fusion.network import FusionNetwork
from stream_emo.training.histories import Histories

_COPIES = 3  # Of every clip, each with a past of its own, besides the one without.
_ITERATIONS = 100
_BIAS_PULL = 10.0  # How much closer than the weights the biases are kept to those of before.


def fit_expert(
    network: FusionNetwork, histories: Histories, penalty: float, *, from_here: bool = False
) -> None:
    """Set `network.voice.linear` from all clips: multinomial logistic regression, L-BFGS, every corpus and
    every class in it counting alike; valence and arousal by the same penalised least squares.

    `penalty`: of half the squared weights, per example of mean loss; `from_here`: of half their squared
    distance to those that the network has, so that little data changes little (MAP adaptation; Gauvain and
    Lee 1994).
    """
    points, targets, weights = histories.examples(_COPIES)
    x = torch.from_numpy(points)
    y = torch.from_numpy(targets).double()
    share = torch.from_numpy(weights / weights.sum())
    emotions = len(network.config.emotions)
    first = torch.zeros(x.shape[1], y.shape[1], dtype=torch.double)
    w = first.clone()
    b = bias = torch.zeros(y.shape[1], dtype=torch.double)
    pull = 0.0
    if from_here:
        # Row 0 is the claim to be believed.
        first = network.speakers.directions.double().T @ network.voice.linear.weight[1:].detach().double().T
        bias = network.voice.linear.bias[1:].detach().double().clone()
        w, b = first.clone(), bias.clone()
        # Emotions that do not occur here must not be thought impossible.
        pull = _BIAS_PULL
    w.requires_grad_(True)
    b.requires_grad_(True)
    optimiser = torch.optim.LBFGS([w, b], max_iter=_ITERATIONS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimiser.zero_grad()
        outputs = x @ w + b
        entropy = -(y[:, :emotions] * outputs[:, :emotions].log_softmax(1)).sum(1)
        error = (outputs[:, emotions:].tanh() - y[:, emotions:]).square().sum(1)
        moved = (w - first).square().sum() + pull * (b - bias).square().sum()
        total = (share * (entropy + error)).sum() + penalty * moved / 2
        total.backward()  # type: ignore[no-untyped-call]
        return total

    optimiser.step(loss)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        linear = network.voice.linear
        linear.weight.zero_()
        linear.bias.zero_()
        linear.weight[1:].copy_((network.speakers.directions.double() @ w).T)
        linear.bias[1:].copy_(b)
