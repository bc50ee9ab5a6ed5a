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

from stream_emo.fusion.batch import Window, collate
from stream_emo.fusion.network import FusionNetwork, RawScores, TokenTensors, to_tensors
from stream_emo.fusion.network_config import NetworkConfig
from stream_emo.perception.audio_encoder import STATES
from stream_emo.perception.audio_tokens import FRAME_FEATURES
from stream_emo.perception.prosody import PROSODY
from stream_emo.training.examples import Example, Mix, Sampler, Voices, subset
from stream_emo.training.expert import calm, fit_expert
from stream_emo.training.histories import Histories

_log = logging.getLogger(__name__)

_STATISTICS = 3072  # Examples from which means and deviations are taken.
_REPORT = 100  # Steps between lines in the log.


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to train."""

    penalty: float = 0.3
    """Of the voice's linear evidence, see `fit_expert`."""
    steps: int = 300
    batch: int = 128
    learning_rate: float = 1e-3
    weight_decay: float = 0.05
    smoothing: float = 0.1
    """Share of a target that is spread over all emotions."""
    affect: float = 0.5
    """Weight of the squared error of valence and arousal."""
    average: float = 0.99
    """Decay per step of the averaged weights, which are the result."""


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """What is known before voice and words are weighed against each other."""

    weight: Tensor
    """[emotions + 2, text features]: the reading of the mean of a text's pieces; see `words.read_head`."""
    bias: Tensor
    """[emotions + 2]"""
    temperature: float = 1.0
    """By which the logits of a voice without words are divided: see `left_out`."""


def fit(
    config: NetworkConfig,
    sampler: Sampler,
    recipe: Recipe,
    seed: int,
    evidence: Evidence | None = None,
    readers: Voices | None = None,
) -> FusionNetwork:
    """A trained network in evaluation mode, not calibrated. The same seed and examples: the same weights.

    The voice's evidence is fitted in closed form, that of the words was learnt with their encoder; without
    `evidence` only the voice counts.
    How the two hear each other, and which is to be believed, is then learnt by gradient descent, on speakers
    that the linear evidence knows nothing of (the encoder does): of those it knows it would be believed too
    much. Texts should be such as the reading was not learnt from. `readers`: see `calm`.
    """
    torch.manual_seed(seed)
    network: FusionNetwork = FusionNetwork(config)
    normalise(network, [example.window for example in sampler.draw(_STATISTICS)])
    if evidence is not None:
        set_reading(network, evidence.weight, evidence.bias)
        network = _weighed(network, sampler, recipe, seed, readers)
        network.audio_only_temperature.fill_(evidence.temperature)
    histories = Histories(network, sampler.voices, np.random.default_rng(seed))
    _voice_evidence(network, histories, recipe, seed, readers)
    return network.eval()


def _voice_evidence(
    network: FusionNetwork, histories: Histories, recipe: Recipe, seed: int, readers: Voices | None
) -> None:
    torch.manual_seed(seed)
    fit_expert(network, histories, recipe.penalty)
    if readers is not None:
        calm(network, histories, readers)


def set_reading(network: FusionNetwork, weight: Tensor, bias: Tensor) -> None:
    """The words' linear evidence from a reading of the mean of their pieces as they are."""
    linear, normalised = network.text.head, network.text.normalise
    with torch.no_grad():
        linear.weight.copy_(weight / normalised.window_scale.clamp_min(1e-6))
        linear.bias.copy_(bias + weight @ normalised.window_mean)


def _weighed(
    network: FusionNetwork,
    sampler: Sampler,
    recipe: Recipe,
    seed: int,
    readers: Voices | None,
) -> FusionNetwork:
    """With claims learnt on every fourth speaker, for whom the voice's evidence knows only the others."""
    random = np.random.default_rng(seed)
    aside = [_every_fourth(corpus.speakers, random) for corpus in sampler.voices]
    known = [subset(corpus, ~out) for corpus, out in zip(sampler.voices, aside, strict=True)]
    unknown = [subset(corpus, out) for corpus, out in zip(sampler.voices, aside, strict=True) if out.any()]
    _voice_evidence(network, Histories(network, known, random), recipe, seed, readers)
    histories = Histories(network, unknown, random, known=network.speakers.population)
    sampler = Sampler(unknown, sampler.texts, sampler.window_s, random, Mix(text_only=0, voice_only=0))
    # On so few speakers gradient descent makes evidence no better (RAVDESS, folds 1-3: 78.3 % UA before, 77.9
    # after). How far each is to be believed is what is learnt.
    for modality in (network.audio, network.text):
        modality.head.requires_grad_(False)
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


def _every_fourth(speakers: Sequence[str], random: np.random.Generator) -> NDArray[np.bool_]:
    """[clips]; whoever is heard in other surroundings is still the same."""
    people = np.array([speaker.rstrip("*") for speaker in speakers])
    return np.isin(people, random.permutation(np.unique(people))[::4])


def normalise(network: FusionNetwork, windows: Sequence[Window]) -> None:
    """Set the normalisation constants of both streams from examples."""
    level = STATES + PROSODY.index("energy")
    if network.config.audio_features == 2 * FRAME_FEATURES:
        network.audio.normalise.relative[level] = True
    batch = collate(windows, network.config.audio_features, network.config.text_features)
    for modality, stream in zip((network.audio, network.text), to_tensors(batch), strict=True):
        here = stream.present.any(1)
        if here.any():
            some = TokenTensors(stream.features[here], stream.ages[here], stream.present[here])
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
            logits.append(network(*to_tensors(part)).logits.double().numpy())
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
    scores: RawScores = network(*to_tensors(batch))
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
