"""The protocol `fused-left-out`: calibration and gain of both modalities on corpora that were left out."""

from __future__ import annotations

import numpy as np

from stream_emo.config import FusionConfig
from stream_emo.evaluation.compositions import (
    Fused,
    emotional_voice,
    emotional_words,
    own_words,
    same_emotion,
    score,
    sentences_with_one_label,
    voices_of,
)
from stream_emo.evaluation.metrics import MetricValue
from stream_emo.evaluation.predictions import Predictions, together
from stream_emo.evaluation.result import Result
from stream_emo.fusion.decision import Decision
from stream_emo.fusion.fuser import Fuser
from stream_emo.fusion.network import FusionNetwork
from stream_emo.models.checkpoint import Checkpoint
from stream_emo.training.datasets import Data
from stream_emo.training.held_out_corpora import (
    HELD_OUT_CORPORA,
    encoded_corpora,
    held_out,
    held_out_speakers,
    read_speech,
)
from stream_emo.training.loop import Hyperparameters, TextHead, fit
from stream_emo.training.sampler import Sampler
from stream_emo.training.text_sentences import unseen_sentences

_MAX_CLIPS = 600
"""Clips of each corpus, drawn at random."""


def fused_left_out(source: Data) -> Result:
    """Measure fusion on each corpus by a network whose audio part never saw it, in compositions.

    The combination is trained on the speakers of the other corpora; the text part is that of the packaged
    checkpoint, and the sentences are from test splits. `ece` is of the same number of items of each kind:
    both of one emotion, only the voice emotional, only the words emotional.
    """
    parts: list[Predictions] = []
    metrics: dict[str, MetricValue] = {}
    for name in HELD_OUT_CORPORA:
        there = held_out(source, name).source
        fuser = Fuser(_trained_without(there, name, source), Decision.unfitted())
        clips = there.clips(name)
        rows = np.random.default_rng(0).permutation(len(clips))[:_MAX_CLIPS]
        voices = voices_of(there, {name: [clips[row] for row in rows]})
        sentences = sentences_with_one_label(there)
        same = score(there, fuser, same_emotion(voices, sentences, rounds=1))
        a = score(there, fuser, emotional_voice(voices, sentences))
        b = score(there, fuser, emotional_words(voices, sentences))
        mixed = together([_some(part, len(rows)) for part in (same, a, b)])
        parts.append(mixed)
        metrics |= {
            f"{name} ece": mixed.ece(),
            f"{name} composed gain": same.gain(same.audio, same.text),
            f"{name} A difference": a.gain(a.audio),
            f"{name} B difference": b.gain(b.text),
        }
        if own := own_words(voices):
            real = score(there, fuser, own)
            metrics |= {f"{name} A real difference": real.gain(real.audio)}
    notes = ["common metrics: the three kinds of items in equal parts; A, B, A real: see `conflict`"]
    return Result.of("fused-left-out", together(parts), metrics, notes)


def _some(fused: Fused, count: int) -> Predictions:
    drawn = np.random.default_rng(0).permutation(len(fused.both))[:count]
    return fused.both.only(np.isin(np.arange(len(fused.both)), drawn))


def _trained_without(there: Data, name: str, source: Data) -> FusionNetwork:
    """Return a network for both modalities; `there`: the data with an encoder that never saw the corpus."""
    corpora = encoded_corpora(there, held_out_speakers(there) | {name: None})
    dev = unseen_sentences(there, commercial_only=there.commercial_only)
    texts = [there.text_corpus(sentences) for sentences in dev]
    sampler = Sampler(corpora, texts, FusionConfig().window_s, np.random.default_rng(0))
    packaged = Checkpoint.configured(FusionConfig(checkpoint=source.checkpoint)).torch_network()
    network = fit(packaged.config, sampler, Hyperparameters(), 0, TextHead.of(packaged), read_speech(there))
    network.audio_only_temperature.copy_(held_out(source, name).network.audio_only_temperature)
    return network
