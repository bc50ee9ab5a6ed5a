"""Training of a fusion network from examples: the same examples, hyperparameters and seed, the same weights.

The heads are not trained by gradient descent: that of audio is fitted in closed form (`audio_head`), that of
text was fitted with the text encoder. Gradient descent trains what the modality gate depends on.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from stream_emo.fusion.attention import TokenTensors
from stream_emo.fusion.batch import Window, collate
from stream_emo.fusion.network import FusionNetwork, RawScores, to_tensors
from stream_emo.fusion.network_config import NetworkConfig
from stream_emo.perception.audio_encoder import STATES
from stream_emo.perception.audio_tokens import FRAME_FEATURES
from stream_emo.perception.prosody import PROSODY
from stream_emo.training.audio_head import fit_audio_head, recalibrate_neutral
from stream_emo.training.sampler import AudioCorpus, Example, Mix, Sampler, subset
from stream_emo.training.speaker_histories import SpeakerHistories

_log = logging.getLogger(__name__)

_NORMALISATION_EXAMPLES = 1024
"""Examples from which means and deviations of the features are taken."""
_LOG_INTERVAL = 100
"""Steps between lines in the log."""
_MAX_GRADIENT_NORM = 5.0
_READ_SPEECH_SHARE = 0.5
"""How often read speech is drawn where a neutral voice is wanted, relative to the other corpora."""


@dataclass(frozen=True, slots=True)
class Hyperparameters:
    """Hyperparameters of the fusion network."""

    l2_penalty: float = 1.0
    """Penalty of the audio head, see `fit_audio_head`."""
    steps: int = 300
    """Number of steps of gradient descent."""
    batch_size: int = 128
    """Examples per step."""
    learning_rate: float = 1e-3
    """Peak of the one-cycle schedule."""
    combination_rate: float = 2e-2
    """The same for the few constants of the combination."""
    weight_decay: float = 0.05
    """Weight decay of AdamW, but not of these."""
    affect_weight: float = 0.5
    """Weight of the squared error of valence and arousal."""
    ema_decay: float = 0.99
    """Decay per step of the exponential moving average of the weights, which is the result."""


@dataclass(frozen=True, slots=True, eq=False)
class TextHead:
    """The linear head that was fitted with the text encoder, see `text_encoder_tuning.read_head`."""

    weight: Tensor
    """[emotions + 2, text features]: of the mean over a text's word pieces, not normalised."""
    bias: Tensor
    """[emotions + 2]"""

    @classmethod
    def of(cls, network: FusionNetwork) -> Self:
        """Return the head of a trained network, see `set_text_head`."""
        normalise = network.text.normalise
        weight = network.text.head.weight.detach() * normalise.window_scale
        return cls(weight, network.text.head.bias.detach() - weight @ normalise.window_mean)


def fit(
    config: NetworkConfig,
    sampler: Sampler,
    hyperparameters: Hyperparameters,
    seed: int,
    text_head: TextHead | None = None,
    read_speech: AudioCorpus | None = None,
) -> FusionNetwork:
    """Return a trained network in evaluation mode, not calibrated.

    Without `text_head` only audio is trained. The gate is trained on speakers on whom the audio head was not
    fitted, because on those it would be trusted too much; the texts of `sampler` should for the same reason
    not be those that the text encoder was fine-tuned on. `read_speech`: see `recalibrate_neutral`.
    """
    torch.manual_seed(seed)
    network: FusionNetwork = FusionNetwork(config)
    normalise(network, [example.window for example in sampler.draw(_NORMALISATION_EXAMPLES)])
    if text_head is not None:
        set_text_head(network, text_head)
        network = _train_gate(network, sampler, hyperparameters, seed, read_speech)
    histories = SpeakerHistories(network, sampler.audio, np.random.default_rng(seed))
    _fit_audio(network, histories, hyperparameters, seed, read_speech)
    return network.eval()


def _fit_audio(
    network: FusionNetwork,
    histories: SpeakerHistories,
    hyperparameters: Hyperparameters,
    seed: int,
    read_speech: AudioCorpus | None,
) -> None:
    torch.manual_seed(seed)
    fit_audio_head(network, histories, hyperparameters.l2_penalty)
    if read_speech is not None:
        recalibrate_neutral(network, histories, read_speech)


def set_text_head(network: FusionNetwork, text_head: TextHead) -> None:
    """Set the head for text, which in the network takes normalised statistics."""
    head, normalised = network.text.head, network.text.normalise
    with torch.no_grad():
        head.weight.copy_(text_head.weight / normalised.window_scale.clamp_min(1e-6))
        head.bias.copy_(text_head.bias + text_head.weight @ normalised.window_mean)


def _train_gate(
    network: FusionNetwork,
    sampler: Sampler,
    hyperparameters: Hyperparameters,
    seed: int,
    read_speech: AudioCorpus | None,
) -> FusionNetwork:
    """Return the network with a gate trained on every fourth speaker, the audio head fitted to the others."""
    random = np.random.default_rng(seed)
    aside = [_every_fourth_speaker(corpus.speakers, random) for corpus in sampler.audio]
    fitted = [subset(corpus, ~out) for corpus, out in zip(sampler.audio, aside, strict=True)]
    unseen = [subset(corpus, out) for corpus, out in zip(sampler.audio, aside, strict=True) if out.any()]
    _fit_audio(network, SpeakerHistories(network, fitted, random), hyperparameters, seed, read_speech)
    if read_speech is not None:
        unseen.append(replace(read_speech, share=_READ_SPEECH_SHARE))
    histories = SpeakerHistories(network, unseen, random, network.speakers.population)
    mix = Mix(text_only=0, audio_only=0)
    sampler = Sampler(unseen, sampler.text, sampler.window_s, random, mix)
    averaged: FusionNetwork = copy.deepcopy(network).eval().requires_grad_(False)
    # On so few speakers gradient descent makes the heads no better (RAVDESS, folds 1-3: 78.3 % UA before,
    # 77.9 after), so only the rest is trained.
    for modality in (network.audio, network.text):
        modality.head.requires_grad_(False)
    gate, constants = [*network.gate.parameters()], [*network.combination.parameters()]
    groups: list[dict[str, Any]] = [{"params": gate}, {"params": constants, "weight_decay": 0.0}]
    rates = [hyperparameters.learning_rate, hyperparameters.combination_rate]
    optimiser = torch.optim.AdamW(groups, weight_decay=hyperparameters.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rates, total_steps=hyperparameters.steps)
    network.train()
    for step in range(hyperparameters.steps):
        examples = sampler.draw(hyperparameters.batch_size)
        offsets = histories.draw([example.clip for example in examples])
        loss = _loss(network, examples, offsets, hyperparameters)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_([*gate, *constants], _MAX_GRADIENT_NORM)
        optimiser.step()
        schedule.step()
        _update_average(averaged, network, hyperparameters.ema_decay)
        if step % _LOG_INTERVAL == 0:
            _log.info("step %d of %d, loss %.3f", step, hyperparameters.steps, loss.item())
    return averaged


def _every_fourth_speaker(speakers: Sequence[str], random: np.random.Generator) -> NDArray[np.bool_]:
    """Return whether each clip [clips] is of a drawn speaker; augmented copies go with their speaker."""
    people = np.array([speaker.rstrip("*") for speaker in speakers])
    return np.isin(people, random.permutation(np.unique(people))[::4])


def normalise(network: FusionNetwork, windows: Sequence[Window]) -> None:
    """Set the normalisation constants of both modalities from examples."""
    level = STATES + PROSODY.index("energy")
    if network.config.audio_features == 2 * FRAME_FEATURES:
        network.audio.normalise.relative[level] = True
    batch = collate(windows, network.config.audio_features, network.config.text_features)
    for modality, tokens in zip((network.audio, network.text), to_tensors(batch), strict=True):
        rows = tokens.present.any(1)
        if rows.any():
            some = TokenTensors(tokens.features[rows], tokens.ages[rows], tokens.present[rows])
            raw = modality.normalise.raw_tokens(some)[some.present]
            statistics = modality.normalise.raw_window(some)
            _set(modality.normalise.token_mean, modality.normalise.token_scale, raw)
            _set(modality.normalise.window_mean, modality.normalise.window_scale, statistics)


def predict(
    network: FusionNetwork,
    windows: Sequence[Window],
    speaker_offsets: NDArray[np.float64] | None = None,
    batch_size: int = 256,
) -> NDArray[np.float64]:
    """Return logits before calibration [windows, emotions]; `speaker_offsets` [windows, k]: see `collate`."""
    logits = []
    with torch.inference_mode():
        for first in range(0, len(windows), batch_size):
            part = slice(first, first + batch_size)
            batch = collate(
                windows[part],
                network.config.audio_features,
                network.config.text_features,
                None if speaker_offsets is None else speaker_offsets[part],
            )
            logits.append(network(*to_tensors(batch)).logits.double().numpy())
    return np.concatenate(logits)


def _loss(
    network: FusionNetwork,
    examples: Sequence[Example],
    offsets: NDArray[np.float64],
    hyperparameters: Hyperparameters,
) -> Tensor:
    windows = [example.window for example in examples]
    batch = collate(windows, network.config.audio_features, network.config.text_features, offsets)
    target = torch.from_numpy(np.stack([example.target for example in examples]))  # [b, e + 2]
    scores: RawScores = network(*to_tensors(batch))
    loss = functional.cross_entropy(scores.logits, target[:, :-2])
    return loss + hyperparameters.affect_weight * functional.mse_loss(scores.affect, target[:, -2:])


def _update_average(averaged: FusionNetwork, network: FusionNetwork, decay: float) -> None:
    # torch's `AveragedModel` starts from the weights after the first step rather than from those before it.
    with torch.no_grad():
        for slow, fast in zip(averaged.parameters(), network.parameters(), strict=True):
            slow.lerp_(fast, 1 - decay)


def _set(mean: Tensor, scale: Tensor, rows: Tensor) -> None:
    mean.copy_(rows.mean(0))
    deviation = rows.std(0, correction=0)
    # A feature that never changes is switched off.
    scale.copy_(torch.where(deviation > 1e-6, 1 / deviation.clamp_min(1e-6), 0.0))
