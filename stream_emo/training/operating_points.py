"""Operating points: how much evidence of emotions neutral speech shows, so that a decision may ask for more.

They are fitted on read speech (LibriSpeech, speakers with even numbers; those with odd ones are for tests),
scored through the live path. Six false alarms per hour and six emotions are one utterance in seven hundred
for each: more than an hour of speech has. So the tail is taken as exponential beyond its highest 15 %, the
generalised Pareto distribution with shape 0 (Coles 2001, "An Introduction to Statistical Modeling of Extreme
Values", chapter 4). Fitted to half of LibriSpeech's speakers and counted on the others, 6 per hour asked gave
3.9 from audio and 5.7 with words; a fitted shape gave 8.0 from audio, a normal distribution 10.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stream_emo.audio.samples import read
from stream_emo.config import Config, FusionConfig, SpeechConfig
from stream_emo.engine import Engine
from stream_emo.errors import SourceError
from stream_emo.events import EMOTIONS, Score
from stream_emo.fusion.batch import Window
from stream_emo.fusion.decision import (
    NEUTRAL,
    RATES,
    SHORTEST_S,
    UNCLEAR_SHARE,
    Decision,
    Deviation,
    EmotionPoints,
    ModalityDecision,
    log_ratios,
)
from stream_emo.fusion.fuser import Fuser
from stream_emo.models.checkpoint import Checkpoint
from stream_emo.progress import track
from stream_emo.training.corpora import Clip, Sentence
from stream_emo.training.datasets import Data
from stream_emo.training.features import encode_clips, encode_sentences
from stream_emo.training.held_out_corpora import HeldOut
from stream_emo.training.labels import AFFECT
from stream_emo.training.sampler import spoken
from stream_emo.types import Estimate

Array = NDArray[np.float64]

_OTHERS = tuple(name for name in EMOTIONS if name != NEUTRAL)
_TAIL = 0.15
"""Share of utterances that the tail is fitted to."""
_SHORT_QUANTILE = 0.9
"""Quantile whose course over 1 / seconds tells how much more evidence short speech shows."""
_SLOPES = np.arange(0.0, 4.01, 0.05)
_UTTERANCES_PER_HOUR = 725
"""Utterances that the gate finds in an hour of read speech."""
_CLIPS = 1000
"""Clips that are drawn of each held-out corpus, with replacement."""
_BATCH = 256
_FEWEST = 50
"""Utterances below which no tail can be fitted."""


@dataclass(frozen=True, slots=True, eq=False)
class NeutralSpeech:
    """Scores of neutral speech: every revision of its utterances."""

    log_ratios: Array
    """[n, emotions but neutral]: see `decision.log_ratios`."""
    seconds: Array
    """[n]: how much speech each score rests on."""
    final: NDArray[np.bool_]
    """[n]: which scores are the last of an utterance."""
    hours: float
    """Duration of all utterances."""


def fit_operating_points(checkpoint: Path, source: Data) -> Decision:
    """Return the decision of a checkpoint folder, its deviations as they were.

    Raises:
        SourceError: LibriSpeech is missing, or has too little speech.
        WeightsError: see `Engine`.
    """
    before = Checkpoint.open(checkpoint).decision()
    clips = [clip for clip in source.clips("librispeech") if int(clip.speaker) % 2 == 0]
    heard = _live_scores(checkpoint, clips, source, text=False)
    read_too = _live_scores(checkpoint, clips, source, text=True)
    with_words = [score for score in read_too if score.text_weight > 0]
    written = _text_alone(checkpoint, [score for score in with_words if score.final], source)
    return Decision(
        replace_points(before.audio, of_scores(heard)),
        replace_points(before.text, written),
        replace_points(before.both, of_scores(with_words)),
    )


def replace_points(before: ModalityDecision, neutral: NeutralSpeech) -> ModalityDecision:
    """Return the constants with the operating points that follow from neutral speech."""
    return ModalityDecision(fit_points(neutral), before.valence, before.arousal)


def fit_points(neutral: NeutralSpeech) -> dict[str, EmotionPoints]:
    """Return the operating points of each emotion; each has an equal share of the allowed false alarms.

    Raises:
        SourceError: there are too few utterances.
    """
    count = int(neutral.final.sum())
    if count < _FEWEST:
        raise SourceError(f"operating points: {count} utterances of read speech, of {_FEWEST} needed")
    utterances_per_hour = count / neutral.hours
    inverse = 1 / neutral.seconds
    points = {}
    for column, name in enumerate(_OTHERS):
        evidence = neutral.log_ratios[:, column]
        slope = _slope(inverse, evidence)
        finals = (evidence - slope * inverse)[neutral.final]
        shares = [rate / len(_OTHERS) / utterances_per_hour for rate in RATES]
        points[name] = EmotionPoints(
            round(float(np.median(finals)), 4),
            round(slope, 4),
            round(tail_quantile(finals, UNCLEAR_SHARE / len(_OTHERS)), 4),
            tuple(round(tail_quantile(finals, share), 4) for share in shares),
        )
    return points


def tail_quantile(values: Array, share: float) -> float:
    """Return what a `share` of such values [n] exceeds, from the exponential tail of the highest 15 %.

    A share above that is the quantile itself.
    """
    if share >= _TAIL:
        return float(np.quantile(values, 1 - share))
    begin = float(np.quantile(values, 1 - _TAIL))
    return begin + float((values[values > begin] - begin).mean()) * float(np.log(_TAIL / share))


def fit_deviation(errors: Array, seconds: Array) -> Deviation:
    """Return the standard deviation within which 68 % of the errors [n] lie, whatever the seconds [n].

    Of a few ratios of the two constants, the one with the highest likelihood of a normal distribution.
    """
    fits = []
    for ratio in (0.0, 0.25, 0.5, 1.0, 2.0):
        shape = np.sqrt(1 + ratio**2 / seconds)
        scale = float(np.quantile(np.abs(errors) / shape, 0.6827))
        loss = np.log(shape * scale) + (errors / (shape * scale)) ** 2 / 2
        fits.append((float(loss.mean()), Deviation(round(scale, 4), round(scale * ratio, 4))))
    return min(fits, key=lambda fit: fit[0])[1]


def fit_deviations(decision: Decision, corpora: Sequence[HeldOut]) -> Decision:
    """Return the decision with the standard deviations of valence and arousal on held-out corpora.

    The truth of an acted clip is the valence and arousal of its label in `labels.AFFECT`. Only audio can be
    measured in this way, the words of acted corpora being the same for all emotions; estimates with text get
    the same deviations. Corpora count equally.
    """
    errors, seconds = [], []
    for corpus in corpora:
        chosen = np.random.default_rng(0).choice(len(corpus.clips), _CLIPS)
        estimates = held_out_estimates(corpus)
        truth = np.array([AFFECT[corpus.clips[row].label] for row in chosen])
        errors.append(np.array([(estimates[row].valence, estimates[row].arousal) for row in chosen]) - truth)
        seconds += [estimates[row].seconds for row in chosen]
    lengths = np.maximum(np.array(seconds), SHORTEST_S)
    valence, arousal = (fit_deviation(column, lengths) for column in np.concatenate(errors).T)
    audio, text, both = (
        ModalityDecision(part.emotions, valence, arousal)
        for part in (decision.audio, decision.text, decision.both)
    )
    return Decision(audio, text, both)


@cache
def held_out_estimates(corpus: HeldOut) -> list[Estimate]:
    """Return the estimate at the end of each clip, from audio alone."""
    return _estimates(Fuser(corpus.network), corpus.windows)


@cache
def held_out_decision(corpus: HeldOut) -> Decision:
    """Return the operating points of a held-out corpus's network, from audio alone.

    Each clip of read speech is encoded as a whole; the rate is that of the utterances that the gate finds.
    """
    source = corpus.source
    clips = [clip for clip in source.clips("librispeech") if int(clip.speaker) % 2 == 0]
    passes = encode_clips(clips, source.audio_encoder, source.cache, progress=source.progress)
    estimates = _estimates(Fuser(corpus.network), [window for clip in passes for window in clip])
    neutral = NeutralSpeech(
        np.array([list(log_ratios(estimate.probabilities).values()) for estimate in estimates]),
        np.maximum([estimate.seconds for estimate in estimates], SHORTEST_S),
        np.array([window is clip[-1] for clip in passes for window in clip]),
        len(clips) / _UTTERANCES_PER_HOUR,
    )
    before = Decision.unfitted()
    return Decision(replace_points(before.audio, neutral), before.text, before.both)


def of_scores(scores: Sequence[Score]) -> NeutralSpeech:
    """Return published scores of neutral speech as evidence."""
    final = np.array([score.final for score in scores])
    lengths = np.array([score.end - score.start for score in scores])
    return NeutralSpeech(
        np.array([list(log_ratios(score.probabilities).values()) for score in scores]),
        np.minimum(lengths, FusionConfig().window_s),
        final,
        float(lengths[final].sum()) / 3600,
    )


def _live_scores(checkpoint: Path, clips: Sequence[Clip], source: Data, *, text: bool) -> list[Score]:
    """Return all scores of clips, each of which is a session."""
    config = Config(speech=SpeechConfig(text=text), fusion=FusionConfig(checkpoint=str(checkpoint)))
    engine = Engine(config)
    scores = []
    for clip in track(clips, source.progress, "reading with words" if text else "reading"):
        session = engine.session(config)
        events = [*session.push(read(clip.path)), *session.flush()]
        scores += [event for event in events if isinstance(event, Score)]
    return scores


def _estimates(fuser: Fuser, windows: Sequence[Window]) -> list[Estimate]:
    """Return the estimate of each window, computed in batches, so that not all are padded to the longest."""
    batches = (windows[first : first + _BATCH] for first in range(0, len(windows), _BATCH))
    return [estimate for batch in batches for estimate in fuser.estimate(batch)]


def _text_alone(checkpoint: Path, finals: Sequence[Score], source: Data) -> NeutralSpeech:
    """Return what the texts of these utterances say without their audio."""
    opened = Checkpoint.open(checkpoint)
    sentences = [Sentence(score.text or "", ()) for score in finals]
    pieces = encode_sentences(sentences, opened.text_adapter, source.cache, source.progress)
    generator = np.random.default_rng(0)
    windows = [Window(None, spoken(piece, 0, generator), 0) for piece in pieces]
    estimates = _estimates(opened.fuser(), windows)
    heard = of_scores(finals)
    ratios = np.array([list(log_ratios(estimate.probabilities).values()) for estimate in estimates])
    return replace(heard, log_ratios=ratios)


def _slope(inverse_seconds: Array, evidence: Array) -> float:
    """Return the slope of a quantile of the evidence [n] over 1 / seconds [n] (Koenker and Bassett 1978)."""
    losses = []
    for slope in _SLOPES:
        rest = evidence - slope * inverse_seconds
        apart = rest - np.quantile(rest, _SHORT_QUANTILE)
        losses.append(np.maximum(_SHORT_QUANTILE * apart, (_SHORT_QUANTILE - 1) * apart).mean())
    return float(_SLOPES[int(np.argmin(losses))])
