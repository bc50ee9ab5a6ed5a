"""The training loop: fit a fusion network to examples, the same way every time."""

from __future__ import annotations

import copy
import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from stream_emo.fusion.configuration import NetworkConfig
from stream_emo.fusion.network import FusionNetwork, Scores, Stream
from stream_emo.fusion.windows import Window, collate
from stream_emo.perception.audio_tokens import FRAME_FEATURES, STATES
from stream_emo.perception.prosody import PROSODY
from stream_emo.training.examples import Example, Sampler
from stream_emo.training.expert import fit_expert
from stream_emo.training.histories import Histories

_log = logging.getLogger(__name__)

_STATISTICS = 3072  # Examples from which means and deviations are taken.
_REPORT = 100  # Steps between lines in the log.


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to train. Chosen on RAVDESS folds 1-3, see the model card."""

    penalty: float = 0.1
    """Of the voice's linear evidence, see `fit_expert`."""
    steps: int = 700
    batch: int = 128
    learning_rate: float = 1e-3
    weight_decay: float = 0.05
    smoothing: float = 0.1
    """Share of a target that is spread over all emotions."""
    affect: float = 0.5
    """Weight of the squared error of valence and arousal."""
    average: float = 0.99
    """Decay per step of the averaged weights, which are the result."""


def fit(config: NetworkConfig, sampler: Sampler, recipe: Recipe, seed: int) -> FusionNetwork:
    """A trained network in evaluation mode, not calibrated. The same seed and examples: the same weights.

    First the voice's evidence, in closed form; then, by gradient descent, the words, how the two hear each
    other, and which of them is to be believed. Without texts there is only the first.
    """
    torch.manual_seed(seed)
    network: FusionNetwork = FusionNetwork(config)
    normalise(network, [example.window for example in sampler.draw(_STATISTICS)])
    histories = Histories(network, sampler.voices, np.random.default_rng(seed))
    torch.manual_seed(seed)
    fit_expert(network, histories, recipe.penalty)
    if not sampler.texts:
        return network.eval()
    _keep_evidence(network)
    averaged: FusionNetwork = copy.deepcopy(network).eval().requires_grad_(False)
    optimiser = torch.optim.AdamW(
        [parameter for parameter in network.parameters() if parameter.requires_grad],
        recipe.learning_rate,
        weight_decay=recipe.weight_decay,
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, recipe.learning_rate, total_steps=recipe.steps)
    network.train()
    for step in range(recipe.steps):
        examples = sampler.draw(recipe.batch)
        loss = _step_loss(network, examples, histories.draw([example.origin for example in examples]), recipe)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimiser.step()
        schedule.step()
        _follow(averaged, network, recipe.average)
        if step % _REPORT == 0:
            _log.info("step %d of %d, loss %.3f", step, recipe.steps, loss.item())
    return averaged


def _keep_evidence(network: FusionNetwork) -> None:
    """What the voice says stays as fitted: on so few speakers gradient descent makes it no better (RAVDESS,
    folds 1-3: 78.3 % UA before, 77.9 % after). How far the voice is to be believed is still learnt."""
    voice = network.voice
    voice.linear.requires_grad_(False)
    for parameter in voice.output.parameters():
        torch.nn.init.zeros_(parameter)
        only_claim = torch.zeros_like(parameter)
        only_claim[0] = 1.0
        parameter.register_hook(only_claim.mul)  # type: ignore[no-untyped-call]


def normalise(network: FusionNetwork, windows: Sequence[Window]) -> None:
    """Set the normalisation constants of both streams from examples."""
    level = STATES + PROSODY.index("energy")
    if network.config.audio_features == 2 * FRAME_FEATURES:
        network.voice.normalise.relative[level] = True
    batch = collate(windows, network.config.audio_features, network.config.text_features)
    for modality, stream in ((network.voice, batch.audio), (network.words, batch.text)):
        here = stream.present.any(1)
        if here.any():
            some = Stream(stream.features[here], stream.ages[here], stream.present[here])
            tokens = modality.normalise.raw_tokens(some)[some.present]
            windowed = modality.normalise.raw_window(some)
            _set(modality.normalise.token_mean, modality.normalise.token_scale, tokens)
            _set(modality.normalise.window_mean, modality.normalise.window_scale, windowed)


def predict(
    network: FusionNetwork,
    windows: Sequence[Window],
    offsets: NDArray[np.float64] | None = None,
    batch: int = 256,
) -> NDArray[np.float64]:
    """float64 [windows, emotions]: logits before calibration. `offsets` [windows, k]: see `collate`."""
    logits = []
    with torch.inference_mode():
        for first in range(0, len(windows), batch):
            part = collate(
                windows[first : first + batch],
                network.config.audio_features,
                network.config.text_features,
                None if offsets is None else offsets[first : first + batch],
            )
            logits.append(network(part.audio, part.text).logits.double().numpy())
    return np.concatenate(logits)


def _step_loss(
    network: FusionNetwork, examples: Sequence[Example], offsets: NDArray[np.float64], recipe: Recipe
) -> Tensor:
    batch = collate(
        [example.window for example in examples],
        network.config.audio_features,
        network.config.text_features,
        offsets,
    )
    target = torch.from_numpy(np.stack([example.target for example in examples]))
    scores: Scores = network(batch.audio, batch.text)
    wanted = target[:, :-2] * (1 - recipe.smoothing) + recipe.smoothing / (target.shape[1] - 2)
    loss = functional.cross_entropy(scores.logits, wanted)
    return loss + recipe.affect * functional.mse_loss(scores.affect, target[:, -2:])


def _follow(averaged: FusionNetwork, network: FusionNetwork, decay: float) -> None:
    with torch.no_grad():
        for slow, fast in zip(averaged.parameters(), network.parameters(), strict=True):
            slow.lerp_(fast, 1 - decay)


def _set(mean: Tensor, scale: Tensor, rows: Tensor) -> None:
    mean.copy_(rows.mean(0))
    deviation = rows.std(0, correction=0)
    # What never changes says nothing.
    scale.copy_(torch.where(deviation > 1e-6, 1 / deviation.clamp_min(1e-6), 0.0))
