"""Line calibration on corpora that the network was not trained on, each of them a line of its own.

The bias is learnt without labels from half of the speakers of a held-out corpus, in a sample of a stated mix,
and tested on the other half, with the voice alone and four labels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stream_emo.evaluation.audio_only import FOUR, held_out_corpus, in_sessions
from stream_emo.evaluation.metrics import Array, MetricValue, Rows, bootstrap
from stream_emo.evaluation.result import Result
from stream_emo.events import EMOTIONS
from stream_emo.fusion.line import fit_bias
from stream_emo.fusion.line_adaptation import AdaptiveLine, FixedLine
from stream_emo.training.datasets import Data
from stream_emo.training.held_out_corpora import TESTED, HeldOut, held_out
from stream_emo.training.labels import merged

_SPLITS = 10
"""Random halves of the speakers; in each split both halves are learnt from, and the other one is tested."""
_UTTERANCES = 200
"""Utterances that the bias is learnt from."""
_ADAPTIVE_SPLITS = 2
_CALLS = 60
"""Sessions that an adaptive line has heard before the one-sided stretch, each with a minute of speech..."""
_CALL_UTTERANCES = 15
_UTTERANCE_S = 4.0
_STRETCH_S = 600.0
"""...and length of the stretch, in calls of a minute."""

Flags = NDArray[np.bool_]
Learner = Callable[["_Half"], Array]
"""Returns the bias that is learnt from a half."""


def mix(likeliest: str, share: float) -> Array:
    """Return a mix over `FOUR` with this share of one label, the others equal."""
    return np.array([share if name == likeliest else (1 - share) / 3 for name in FOUR])


USUAL = mix("neutral", 0.8)
LEARNERS: dict[str, Learner] = {
    "calibrated": lambda half: half.fitted(USUAL, USUAL),
    "expecting 40 % neutral": lambda half: half.fitted(USUAL, mix("neutral", 0.4)),
    "expecting balanced": lambda half: half.fitted(USUAL, mix("neutral", 0.25)),
    "of 80 % angry": lambda half: half.fitted(mix("angry", 0.8), USUAL),
}
"""What the bias is learnt from: a sample that is 80 % neutral, as is expected, where nothing else is said."""


@dataclass(frozen=True, slots=True, eq=False)
class LineCorpus:
    """The clips of a held-out corpus that have one of `FOUR`."""

    log_odds: Array
    """[n, 4]: of the audio alone, calibrated."""
    truth: NDArray[np.int64]
    speakers: NDArray[np.str_]

    def halves(self, splits: int = _SPLITS) -> Iterator[tuple[_Half, Flags]]:
        """Yield, for every split and both of its halves, one half, and the rows [n] of the other one."""
        names = np.unique(self.speakers)
        for seed in range(splits):
            random = np.random.default_rng(seed)
            one = np.isin(self.speakers, random.permutation(names)[: len(names) // 2])
            for half in (one, ~one):
                yield _Half(self, half, random), ~half

    def right(self, learner: Learner) -> Array:
        """Return, of each clip [n], in how many of the splits it is right with the bias that is learnt."""
        right = np.zeros(len(self.truth))
        for half, tested in self.halves():
            predicted = (self.log_odds[tested] + learner(half)).argmax(1)
            right[tested] += (predicted == self.truth[tested]) / _SPLITS
        return right

    def ua(self, right: Array) -> MetricValue:
        """Return the mean recall of the labels, with its interval over speakers."""

        def of(rows: Rows) -> float:
            truth = self.truth[rows]
            return float(np.mean([right[rows[truth == label]].mean() for label in np.unique(truth)]))

        return bootstrap(of, self.speakers.tolist())

    def gain(self, label: int, right: Array, before: Array) -> MetricValue:
        """Return how much higher the recall of one label is than before."""
        shown = np.flatnonzero(self.truth == label)
        return bootstrap(
            lambda rows: float((right - before)[shown[rows]].mean()), self.speakers[shown].tolist()
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Half:
    """Half of the speakers of a corpus, to learn from."""

    corpus: LineCorpus
    rows: Flags
    random: np.random.Generator

    def fitted(self, shares: Array, expected: Array) -> Array:
        """Return the bias that is learnt from a sample in this mix, where `expected` is expected."""
        log_odds = self._drawn(
            self.rows, np.repeat(range(len(FOUR)), np.rint(shares * _UTTERANCES).astype(int))
        )
        return fit_bias(log_odds, expected, len(log_odds))

    def adapted(self) -> AdaptiveLine:
        """Return a line that has adapted to many calls of one speaker each, all in the usual mix."""
        line = AdaptiveLine(np.zeros(len(FOUR)), USUAL)
        names = np.unique(self.corpus.speakers[self.rows])
        for _ in range(_CALLS):
            speaker = self.rows & (self.corpus.speakers == self.random.choice(names))
            self.call(line, USUAL, speaker)
        return line

    def call(self, line: AdaptiveLine, shares: Array, among: Flags | None = None) -> None:
        """Have one session on the line, in this mix."""
        rows = self.rows if among is None else among
        # A speaker may not have every label.
        shares = shares * [(rows & (self.corpus.truth == label)).any() for label in range(len(FOUR))]
        labels = self.random.choice(len(FOUR), _CALL_UTTERANCES, p=shares / shares.sum())
        session = line.session()
        for log_odds in self._drawn(rows, labels):
            session.add(log_odds, _UTTERANCE_S)

    def _drawn(self, rows: Flags, labels: NDArray[np.int64]) -> Array:
        """Return the log odds [n, 4] of clips with these labels [n], drawn with replacement."""
        truth = self.corpus.truth
        drawn = [self.random.choice(np.flatnonzero(rows & (truth == label))) for label in labels]
        return np.asarray(self.corpus.log_odds[drawn])


def line_calibration(source: Data) -> Result:
    """Evaluate line calibration with right and wrong expectations, from one-sided input, and while adapting.

    Per checkpoint and corpus: UA as is; with a bias learnt as `LEARNERS` says; the gain in the recall of an
    emotion when the bias was learnt from that emotion alone ("only"), and when an adaptive line that has
    heard many usual calls hears ten minutes of that emotion alone ("adapting"); UA with the baseline of each
    speaker, without and with the bias.
    """
    metrics: dict[str, MetricValue] = {}
    clips = 0
    pairs = [(checkpoint, name) for checkpoint, names in TESTED.items() for name in names]
    for done, (checkpoint, name) in enumerate(pairs, start=1):
        held = held_out_corpus(source, name, checkpoint).alone
        # The logarithms of calibrated probabilities are log odds up to a constant in each row.
        corpus = LineCorpus(np.log(np.maximum(held.probabilities, 1e-30)), held.truth, held.groups)
        clips += len(held)
        found = _measured(corpus) | _with_baseline(corpus, held_out(source, name, checkpoint))
        metrics |= {f"{checkpoint} {name} {what}": value for what, value in found.items()}
        source.progress.step(done, len(pairs), "line calibration")
    return Result(
        "line-calibration",
        clips,
        FOUR,
        metrics=metrics,
        notes=(
            f"bias from {_UTTERANCES} unlabelled utterances of half of the speakers, tested on the others; "
            f"mean over {_SPLITS} random halves",
            "calibrated: 80 % neutral is expected, and so it is",
        ),
    )


def _measured(corpus: LineCorpus) -> dict[str, MetricValue]:
    before = (corpus.log_odds.argmax(1) == corpus.truth).astype(np.float64)
    found = {"ua": corpus.ua(before)}
    for what, learner in LEARNERS.items():
        found[f"ua {what}"] = corpus.ua(corpus.right(learner))
    for label, name in enumerate(FOUR):
        alone = mix(name, 1.0)
        right = corpus.right(lambda half, alone=alone: half.fitted(alone, USUAL))  # type: ignore[misc]
        found[f"only {name}, recall"] = corpus.gain(label, right, before)
    found |= _adapting(corpus)
    return found


def _with_baseline(corpus: LineCorpus, held: HeldOut) -> dict[str, MetricValue]:
    """Return the UA when the clips of each speaker are a session with its baseline, without and with bias."""
    four = [row for row, clip in enumerate(held.clips) if merged(clip.label) in FOUR]
    columns = [EMOTIONS.index(name) for name in FOUR]
    found = {}
    for what, learner in (("baseline", None), ("baseline, calibrated", LEARNERS["calibrated"])):
        right = np.zeros(len(corpus.truth))
        for half, tested in corpus.halves(splits=1):
            bias = np.zeros(len(EMOTIONS))
            bias[columns] = 0.0 if learner is None else learner(half)
            windows = [held.windows[four[row]] for row in np.flatnonzero(tested)]
            scores = in_sessions(held.network, windows, corpus.speakers[tested], FixedLine(bias))
            right[tested] = scores[:, columns].argmax(1) == corpus.truth[tested]
        found[f"ua {what}"] = corpus.ua(right)
    return found


def _adapting(corpus: LineCorpus) -> dict[str, MetricValue]:
    """Return the UA with an adaptive line, and the gain in recall from a one-sided stretch on it."""
    found = {}
    for label, name in enumerate(FOUR):
        before, after = np.zeros((2, len(corpus.truth)))
        for half, tested in corpus.halves(_ADAPTIVE_SPLITS):
            log_odds, truth = corpus.log_odds[tested], corpus.truth[tested]
            line = half.adapted()
            before[tested] += ((log_odds + line.bias).argmax(1) == truth) / _ADAPTIVE_SPLITS
            for _ in range(round(_STRETCH_S / (_CALL_UTTERANCES * _UTTERANCE_S))):
                half.call(line, mix(name, 1.0))
            after[tested] += ((log_odds + line.bias).argmax(1) == truth) / _ADAPTIVE_SPLITS
        found["ua adapting"] = corpus.ua(before)
        found[f"adapting, only {name}, recall"] = corpus.gain(label, after, before)
    return found
