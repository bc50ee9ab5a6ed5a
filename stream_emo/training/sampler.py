"""Training examples: windows like those of a live run, balanced over emotions, corpora and modalities.

Audio and text come from different corpora. So a window with both pairs a clip with its own transcript, which
in acted corpora has no emotion, or with a written sentence. Either both have the same emotion, or one or both
are neutral; emotions that contradict each other are not trained on: nobody knows what is right there.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stream_emo.fusion.batch import Window
from stream_emo.perception.text_encoder import Pieces
from stream_emo.training.features import ClipWindows
from stream_emo.types import SAMPLE_RATE, AudioTokens, TextTokens

NEUTRAL = 0
"""Column of neutral in the targets, for every set of emotions."""

_TO_THE_END = 0.7
"""Share of clips taken to their end; of the others any pass of a live run, see `ClipWindows`."""
_UNCUT = 0.5
"""Share of windows whose audio is not cut..."""
_MIN_KEPT = 0.55
"""...and the least share of its tokens that a cut leaves."""
_MAX_TEXT_S = 5.5
"""Longer sentences are spoken faster, so that their words fit into a window."""


@dataclass(frozen=True, slots=True, eq=False)
class AudioCorpus:
    """The encoded clips of one corpus."""

    share: float
    """How often it is drawn from, relative to the others."""
    clips: Sequence[ClipWindows]
    targets: NDArray[np.float32]
    """[clips, emotions + 2]: a distribution, then valence and arousal; see `labels.target`."""
    transcripts: Sequence[Pieces | None]
    """Encoded text of each clip; None: unknown."""
    speakers: Sequence[str]
    """Of each clip; an augmented copy of a clip counts as another speaker's (its name ends in asterisks)."""


@dataclass(frozen=True, slots=True, eq=False)
class TextCorpus:
    """The encoded sentences of one corpus."""

    share: float
    """How often it is drawn from, relative to the others."""
    pieces: Sequence[Pieces]
    targets: NDArray[np.float32]
    """[sentences, emotions + 2]: as in `AudioCorpus`."""


@dataclass(frozen=True, slots=True)
class Mix:
    """Shares of the kinds of examples; the remainder of each group is the kind that is not named."""

    text_only: float = 0.2
    audio_only: float = 0.45
    """The remaining examples have both modalities; of these:"""
    same_emotion: float = 0.25
    emotional_voice: float = 0.35
    """Neutral words in an emotional voice."""
    emotional_words: float = 0.25
    """Emotional words in a neutral voice. In the remaining examples both are neutral."""
    own_transcript: float = 0.5
    """Share of clips whose neutral words are their own transcript, where that is known."""


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """One training example."""

    window: Window
    target: NDArray[np.float32]
    """[emotions + 2]"""
    clip: tuple[int, int] | None
    """Index of the audio corpus and row of the clip; None without audio."""


def subset(corpus: AudioCorpus, chosen: NDArray[np.bool_]) -> AudioCorpus:
    """Return the corpus with the clips of `chosen` [clips] only."""
    rows = np.flatnonzero(chosen).tolist()
    return AudioCorpus(
        corpus.share,
        [corpus.clips[row] for row in rows],
        corpus.targets[rows],
        [corpus.transcripts[row] for row in rows],
        [corpus.speakers[row] for row in rows],
    )


class Sampler:
    """Draws training examples; the same generator state draws the same ones."""

    def __init__(
        self,
        audio: Sequence[AudioCorpus],
        text: Sequence[TextCorpus],
        window_s: float,
        generator: np.random.Generator,
        mix: Mix = Mix(),
    ) -> None:
        """Draw from these corpora; without any in `text` all windows are audio only."""
        self.audio = audio
        self.text = text
        self.window_s = window_s
        self._draw_clip = _StratifiedDraw(
            [(corpus.share, corpus.targets) for corpus in audio], 0.0, generator
        )
        self._draw_text = _StratifiedDraw([(corpus.share, corpus.targets) for corpus in text], 0.5, generator)
        self._emotional = [column for column in range(audio[0].targets.shape[1] - 2) if column != NEUTRAL]
        self._window = round(window_s * SAMPLE_RATE)
        self._random = generator
        self._mix = mix

    def draw(self, count: int) -> list[Example]:
        """Return the next `count` examples."""
        return [self._example() for _ in range(count)]

    def _example(self) -> Example:
        kind = self._random.random() if self.text else 1.0
        mix = self._mix
        if not self.text or mix.text_only <= kind < mix.text_only + mix.audio_only:
            return self._audio_example()
        return self._text_example() if kind < mix.text_only else self._paired()

    def _audio_example(self, emotions: Collection[int] | None = None) -> Example:
        """Return an example with audio only, of one of `emotions`."""
        number, row = self._draw_clip(emotions)
        corpus = self.audio[number]
        windows = corpus.clips[row]
        whole = self._random.random() < _TO_THE_END
        window = windows[-1] if whole else windows[int(self._random.integers(len(windows)))]
        return Example(self._cut(window.last(self._window)), corpus.targets[row], (number, row))

    def _cut(self, window: Window) -> Window:
        """Return a part of the window at times, which ends as long after its last token as the whole did."""
        assert window.audio is not None
        features, positions = window.audio.features, window.audio.positions
        kept = len(positions)
        if self._random.random() >= _UNCUT:
            kept = max(1, round(kept * self._random.uniform(_MIN_KEPT, 1)))
        first = int(self._random.integers(len(positions) - kept + 1))
        part = slice(first, first + kept)
        removed = int(positions[-1] - positions[part][-1])
        return Window(AudioTokens(features[part], positions[part]), None, window.end - removed)

    def _text_example(self) -> Example:
        number, row = self._draw_text()
        end = int(self._random.uniform(1, 6) * SAMPLE_RATE)
        text = spoken(self.text[number].pieces[row], end, self._random)
        window = Window(None, text, end).last(self._window)
        return Example(window, self.text[number].targets[row], None)

    def _paired(self) -> Example:
        mix = self._mix
        kind = self._random.random()
        if kind < mix.same_emotion:
            audio = self._audio_example()
            pieces, words = self._sentence([int(audio.target[:-2].argmax())])
            return self._spoken(audio, pieces, np.asarray((audio.target + words) / 2, np.float32))
        kind -= mix.same_emotion
        if kind < mix.emotional_words:
            return self._spoken(self._audio_example([NEUTRAL]), *self._sentence(self._emotional))
        kind -= mix.emotional_words
        audio = self._audio_example(self._emotional if kind < mix.emotional_voice else [NEUTRAL])
        return self._spoken(audio, self._neutral_words(audio), audio.target)

    def _sentence(self, emotions: Collection[int]) -> tuple[Pieces, NDArray[np.float32]]:
        """Return a sentence of one of `emotions`, and its target."""
        number, row = self._draw_text(emotions)
        return self.text[number].pieces[row], self.text[number].targets[row]

    def _neutral_words(self, audio: Example) -> Pieces:
        assert audio.clip is not None
        number, row = audio.clip
        own = self.audio[number].transcripts[row]
        if own is not None and self._random.random() < self._mix.own_transcript:
            return own
        return self._sentence([NEUTRAL])[0]

    def _spoken(self, audio: Example, pieces: Pieces, target: NDArray[np.float32]) -> Example:
        end = audio.window.end
        window = Window(audio.window.audio, spoken(pieces, end, self._random), end)
        return Example(window.last(self._window), target, audio.clip)


class _StratifiedDraw:
    """Draws a corpus by its share, then a class, then one of its rows.

    Classes are drawn in proportion to their size to the power of `balance`: 0 all alike, 1 as they are.
    (torch's `WeightedRandomSampler` cannot draw within one class on demand.)
    """

    def __init__(
        self,
        corpora: Sequence[tuple[float, NDArray[np.float32]]],
        balance: float,
        generator: np.random.Generator,
    ) -> None:
        self._random = generator
        self._shares = np.array([share for share, _ in corpora])
        self._rows: list[dict[int, NDArray[np.int64]]] = []
        for _, targets in corpora:
            best = targets[:, :-2].argmax(1)
            self._rows.append({int(label): np.flatnonzero(best == label) for label in np.unique(best)})
        self._weights = [
            np.array([len(rows) ** balance for rows in classes.values()]) for classes in self._rows
        ]

    def __call__(self, labels: Collection[int] | None = None) -> tuple[int, int]:
        """Return corpus and row, of a class among `labels` unless no corpus has one."""
        wanted = [
            [column for column, label in enumerate(classes) if labels is None or label in labels]
            for classes in self._rows
        ]
        shares = self._shares * [len(columns) > 0 for columns in wanted]
        if not shares.any():
            return self()
        corpus = int(self._random.choice(len(shares), p=shares / shares.sum()))
        weights = self._weights[corpus][wanted[corpus]]
        column = int(self._random.choice(wanted[corpus], p=weights / weights.sum()))
        return corpus, int(self._random.choice([*self._rows[corpus].values()][column]))


def spoken(pieces: Pieces, end: int, generator: np.random.Generator) -> TextTokens:
    """Return text tokens with the positions of speech at a usual rate that ends shortly before `end`."""
    words = int(pieces.words[-1]) + 1
    rate = max(generator.uniform(1.8, 4.0), words / _MAX_TEXT_S)  # Words per second.
    lengths = generator.uniform(0.5, 1.5, words)
    lengths *= words / rate / lengths.sum()
    ends = np.cumsum(lengths)
    centres = ends - ends[-1] - lengths / 2 - generator.uniform(0, 0.4)
    positions = end + np.round(centres * SAMPLE_RATE).astype(np.int64)
    return TextTokens(pieces.features, positions[pieces.words])
