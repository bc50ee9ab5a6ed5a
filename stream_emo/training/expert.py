"""The voice's linear evidence, fitted by itself: convex problems that need neither luck nor many steps.

With few speakers to learn from, a regularised linear classifier of the voice's statistics is hard to beat,
so it is what the rest of the network starts from.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from stream_emo.fusion.calibration import fit_temperature
from stream_emo.fusion.network import FusionNetwork
from stream_emo.training.examples import Voices
from stream_emo.training.histories import Histories

_COPIES = 3  # Of every clip, each with a past of its own, besides the one without.
_ITERATIONS = 100
_READERS = 0.1  # How much all readers count beside all others...
_SAME = 0.01  # ...and how much it costs to change the logits for them.
_BIAS_PULL = 10.0  # How much closer than the weights the biases are kept to those of before.


def fit_expert(
    network: FusionNetwork, histories: Histories, penalty: float, *, from_here: bool = False
) -> None:
    """Set `network.audio.head` from all clips: multinomial logistic regression, L-BFGS, every corpus and
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
        first = network.speakers.directions.double().T @ network.audio.head.weight.detach().double().T
        bias = network.audio.head.bias.detach().double().clone()
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
        linear = network.audio.head
        linear.weight.copy_((network.speakers.directions.double() @ w).T)
        linear.bias.copy_(b)


def calm(network: FusionNetwork, histories: Histories, readers: Voices) -> None:
    """Let the voice's logits, taken together, call those who read aloud neutral more often.

    A reader's recordings differ from an actor's in everything: evidence fitted to both tells the two apart
    and calls all quiet studios neutral (nEMO from all others: 54 % UA without readers, 30 with). A map of the
    logits to themselves, close to the identity, cannot tell them apart and still learns what neutral sounds
    like when nobody acts (RAVDESS from all others: 42 % without, 45 to 50 with).
    """
    points, targets, weights = histories.examples(copies=0)
    emotions = len(network.config.emotions)
    linear = network.audio.head
    directions = network.speakers.directions
    weight, bias = linear.weight[:emotions].detach().double(), linear.bias[:emotions].detach().double()
    read = histories.points(readers)
    acted = torch.from_numpy(points) @ (weight @ directions.double()).T + bias
    # As sure as the examples allow, so that the map has no reason to make all of it louder.
    sharpness = 1 / fit_temperature(acted.numpy(), targets[:, :emotions].astype(np.float64))[0]
    aloud = torch.from_numpy(read) @ (weight @ directions.double()).T + bias
    logits = sharpness * torch.cat([acted, aloud])
    truth = np.concatenate([targets[:, :emotions], readers.targets[:, :emotions]])
    y = torch.from_numpy(truth).double()
    share = np.concatenate([weights / weights.sum(), np.full(len(read), _READERS / len(read))])
    each = torch.from_numpy(share / share.sum())
    same = torch.eye(emotions, dtype=torch.double)
    mix, add = same.clone().requires_grad_(True), torch.zeros_like(bias).requires_grad_(True)
    optimiser = torch.optim.LBFGS([mix, add], max_iter=_ITERATIONS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimiser.zero_grad()
        entropy = -(y * (logits @ mix + add).log_softmax(1)).sum(1)
        total = (each * entropy).sum() + _SAME * (mix - same).square().sum()
        total.backward()  # type: ignore[no-untyped-call]
        return total

    optimiser.step(loss)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        linear.weight[:emotions] = (mix.T @ weight).float()
        linear.bias[:emotions] = (bias @ mix + add / sharpness).float()
