"""The audio head: logits and affect from audio statistics, fitted as convex problems by L-BFGS.

With few speakers a regularised linear classifier of the statistics is hard to beat. scikit-learn's
`LogisticRegression` takes neither targets that are distributions nor a penalty towards given weights, which
both are needed here.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from stream_emo.fusion.calibration import fit_temperature
from stream_emo.fusion.network import FusionNetwork
from stream_emo.training.sampler import AudioCorpus
from stream_emo.training.speaker_histories import SpeakerHistories

_COPIES = 3
"""Copies of every clip, each after a simulated history of its speaker, besides the one without history."""
_ITERATIONS = 100
_BIAS_PULL = 10.0
"""Penalty on a change of the biases, relative to that of the weights, when fine-tuning."""
_READ_SPEECH_SHARE = 0.1
"""Weight of all read speech, relative to that of all other corpora."""
_IDENTITY_PENALTY = 0.01
"""Penalty on the squared distance of the recalibration from the identity."""


def fit_audio_head(
    network: FusionNetwork, histories: SpeakerHistories, l2_penalty: float, *, fine_tune: bool = False
) -> None:
    """Set `network.audio.head` from all clips, every corpus by its share and every class in it alike.

    Multinomial logistic regression for the emotions and least squares for valence and arousal, with one
    penalty: `l2_penalty` / 2 times the squared weights, relative to the mean loss of an example. `fine_tune`:
    the penalty is on the distance from the weights that the network has, so that little data changes little
    (MAP adaptation; Gauvain and Lee 1994, "Maximum a Posteriori Estimation for Multivariate Gaussian Mixture
    Observations of Markov Chains").
    """
    projections, targets, weights = histories.examples(_COPIES)
    x = torch.from_numpy(projections)  # [n, k]
    y = torch.from_numpy(targets).double()  # [n, e + 2]
    share = torch.from_numpy(weights / weights.sum())  # [n]
    emotions = len(network.config.emotions)
    directions = network.speakers.directions.double()  # [f, k]
    head = network.audio.head
    prior_w = torch.zeros(x.shape[1], y.shape[1], dtype=torch.double)  # [k, e + 2]
    prior_b = torch.zeros(y.shape[1], dtype=torch.double)  # [e + 2]
    bias_pull = 0.0
    if fine_tune:
        prior_w = directions.T @ head.weight.detach().double().T
        prior_b = head.bias.detach().double().clone()
        bias_pull = _BIAS_PULL  # Emotions that do not occur here must not become impossible.
    w, b = prior_w.clone().requires_grad_(True), prior_b.clone().requires_grad_(True)

    def loss() -> Tensor:
        outputs = x @ w + b  # [n, e + 2]
        entropy = -(y[:, :emotions] * outputs[:, :emotions].log_softmax(1)).sum(1)  # [n]
        error = (outputs[:, emotions:].tanh() - y[:, emotions:]).square().sum(1)  # [n]
        moved = (w - prior_w).square().sum() + bias_pull * (b - prior_b).square().sum()
        return (share * (entropy + error)).sum() + l2_penalty * moved / 2

    _minimise(loss, [w, b])
    with torch.no_grad():
        head.weight.copy_((directions @ w).T)
        head.bias.copy_(b)


def recalibrate_neutral(
    network: FusionNetwork, histories: SpeakerHistories, read_speech: AudioCorpus
) -> None:
    """Change `network.audio.head` so that it calls read speech neutral more often.

    Recordings of read speech differ from acted ones in everything: a head fitted to both tells the two apart
    and calls all quiet studios neutral (nEMO from all other corpora: 54 % UA without read speech, 30 with).
    An affine map of the logits, close to the identity, cannot tell them apart and still learns what neutral
    sounds like when nobody acts (RAVDESS from all other corpora: 42 % without, 45 to 50 with).
    """
    projections, targets, weights = histories.examples(copies=0)
    emotions = len(network.config.emotions)
    head = network.audio.head
    directions = network.speakers.directions.double()  # [f, k]
    weight, bias = head.weight[:emotions].detach().double(), head.bias[:emotions].detach().double()
    read = histories.project(read_speech)  # [m, k]
    acted_logits = torch.from_numpy(projections) @ (weight @ directions).T + bias  # [n, e]
    # As confident as the examples allow, so that the map has no reason to scale all logits.
    scale = 1 / fit_temperature(acted_logits.numpy(), targets[:, :emotions].astype(np.float64))[0]
    read_logits = torch.from_numpy(read) @ (weight @ directions).T + bias  # [m, e]
    logits = scale * torch.cat([acted_logits, read_logits])  # [n + m, e]
    truth = np.concatenate([targets[:, :emotions], read_speech.targets[:, :emotions]])
    y = torch.from_numpy(truth).double()  # [n + m, e]
    share = np.concatenate([weights / weights.sum(), np.full(len(read), _READ_SPEECH_SHARE / len(read))])
    example_weights = torch.from_numpy(share / share.sum())  # [n + m]
    identity = torch.eye(emotions, dtype=torch.double)
    matrix, shift = identity.clone().requires_grad_(True), torch.zeros_like(bias).requires_grad_(True)

    def loss() -> Tensor:
        entropy = -(y * (logits @ matrix + shift).log_softmax(1)).sum(1)  # [n + m]
        return (example_weights * entropy).sum() + _IDENTITY_PENALTY * (matrix - identity).square().sum()

    _minimise(loss, [matrix, shift])
    with torch.no_grad():
        head.weight[:emotions] = (matrix.T @ weight).float()
        head.bias[:emotions] = (bias @ matrix + shift / scale).float()


def _minimise(loss: Callable[[], Tensor], parameters: list[Tensor]) -> None:
    optimiser = torch.optim.LBFGS(parameters, max_iter=_ITERATIONS, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimiser.zero_grad()
        value = loss()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimiser.step(closure)  # type: ignore[no-untyped-call]
