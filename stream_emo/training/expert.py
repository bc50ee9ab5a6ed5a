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


def fit_expert(network: FusionNetwork, histories: Histories, penalty: float) -> None:
    """Set `network.voice.linear` from all clips: multinomial logistic regression, L-BFGS, every corpus and
    every class in it counting alike; valence and arousal by the same penalised least squares.

    `penalty`: of half the squared weights, per example of mean loss.
    """
    points, targets, weights = histories.examples(_COPIES)
    x = torch.from_numpy(points)
    y = torch.from_numpy(targets).double()
    share = torch.from_numpy(weights / weights.sum())
    emotions = len(network.config.emotions)
    w = torch.zeros(x.shape[1], y.shape[1], dtype=torch.double, requires_grad=True)
    b = torch.zeros(y.shape[1], dtype=torch.double, requires_grad=True)
    optimiser = torch.optim.LBFGS([w, b], max_iter=_ITERATIONS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimiser.zero_grad()
        outputs = x @ w + b
        entropy = -(y[:, :emotions] * outputs[:, :emotions].log_softmax(1)).sum(1)
        error = (outputs[:, emotions:].tanh() - y[:, emotions:]).square().sum(1)
        total = (share * (entropy + error)).sum() + penalty * w.square().sum() / 2
        total.backward()  # type: ignore[no-untyped-call]
        return total

    optimiser.step(loss)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        linear = network.voice.linear
        linear.weight.zero_()
        linear.bias.zero_()
        # Row 0 is the claim to be believed.
        linear.weight[1:].copy_((network.speakers.directions.double() @ w).T)
        linear.bias[1:].copy_(b)
