"""Examples: windows as a live run sees them, drawn so that every emotion, corpus and modality gets its share.

Voice and words come from different corpora, so a window with both pairs them: a clip with its own words
where they are known, with words of the same emotion, with plain words, or with words that contradict it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stream_emo.fusion.batch import Window
from stream_emo.perception.text_encoder import Pieces
from stream_emo.training.features import Voice
from stream_emo.types import SAMPLE_RATE, AudioTokens, TextTokens

NEUTRAL = 0
"""Its column in the targets, for every set of emotions."""

_WHOLE = 0.7  # Share of clips heard to their end; else any of the moments at which a live run scores.
_UNCUT = 0.5  # Share of windows from which nothing is cut away...
_LEAST_KEPT = 0.55  # ...and how much of the others stays at least.
_LONGEST_TEXT = 5.5  # s: faster speech where more words must fit into a window.


@dataclass(frozen=True, slots=True, eq=False)
class Voices:
    """One audio corpus. `targets`: float32 [clips, emotions + 2], see `labels.target`."""

    share: float
    """How often it is drawn from, relative to the others."""
    voices: Sequence[Voice]
    targets: NDArray[np.float32]
    words: Sequence[Pieces | None]
    """What each clip says, where known."""
    speakers: Sequence[str]
    """Of each clip; whoever is heard in other surroundings counts as another."""


@dataclass(frozen=True, slots=True, eq=False)
class Texts:
    """One text corpus. `targets`: float32 [sentences, emotions + 2]."""

    share: float
    pieces: Sequence[Pieces]
    targets: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Mix:
    """Shares of what a batch is made of."""

    text_only: float = 0.2
    voice_only: float = 0.45
    """The rest of these two has both, and of those..."""
    own: float = 0.3
    alike: float = 0.35
    plain: float = 0.2
    """...the rest of these three contradicts. Clips whose own words are unknown share among the others."""


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    window: Window
    target: NDArray[np.float32]
    origin: tuple[int, int] | None
    """Number of the audio corpus and row of the clip; None without a voice."""


def subset(corpus: Voices, chosen: NDArray[np.bool_]) -> Voices:
    rows = np.flatnonzero(chosen).tolist()
    return Voices(
        corpus.share,
        [corpus.voices[row] for row in rows],
        corpus.targets[rows],
        [corpus.words[row] for row in rows],
        [corpus.speakers[row] for row in rows],
    )


class Sampler:
    """Draws examples; the same generator state draws the same ones."""

    def __init__(
        self,
        voices: Sequence[Voices],
        texts: Sequence[Texts],
        window_s: float,
        generator: np.random.Generator,
        mix: Mix = Mix(),
    ) -> None:
        """Without `texts` all windows are voice only."""
        self.voices = voices
        self.texts = texts
        self._voice_deck = _Deck([(corpus.share, corpus.targets) for corpus in voices], 0.0, generator)
        self._text_deck = _Deck([(corpus.share, corpus.targets) for corpus in texts], 0.5, generator)
        self.window_s = window_s
        self._window = round(window_s * SAMPLE_RATE)
        self._random = generator
        self._mix = mix

    def draw(self, count: int) -> list[Example]:
        return [self._example() for _ in range(count)]

    def _example(self) -> Example:
        if not self.texts:
            return self._voice()[0]
        kind = self._random.random()
        if kind < self._mix.text_only:
            return self._text()
        voice, own = self._voice()
        return voice if kind < self._mix.text_only + self._mix.voice_only else self._paired(voice, own)

    def _voice(self) -> tuple[Example, Pieces | None]:
        """A window of voice and the words spoken in it, if known."""
        number, row = self._voice_deck.draw()
        corpus = self.voices[number]
        heard = corpus.voices[row]
        whole = self._random.random() < _WHOLE
        window = heard[-1] if whole else heard[int(self._random.integers(len(heard)))]
        example = Example(self._cut(window.last(self._window)), corpus.targets[row], (number, row))
        return example, corpus.words[row]

    def _cut(self, window: Window) -> Window:
        """Often only a part of it, which ends as long after its last token as the whole did."""
        assert window.audio is not None
        features, positions = window.audio.features, window.audio.positions
        kept = len(positions)
        if self._random.random() >= _UNCUT:
            kept = max(1, round(kept * self._random.uniform(_LEAST_KEPT, 1)))
        first = int(self._random.integers(len(positions) - kept + 1))
        part = slice(first, first + kept)
        lost = int(positions[-1] - positions[part][-1])
        return Window(AudioTokens(features[part], positions[part]), None, window.end - lost)

    def _text(self) -> Example:
        number, row = self._text_deck.draw()
        end = int(self._random.uniform(1, 6) * SAMPLE_RATE)
        text = spoken(self.texts[number].pieces[row], end, self._random)
        window = Window(None, text, end).last(self._window)
        return Example(window, self.texts[number].targets[row], None)

    def _paired(self, voice: Example, own: Pieces | None) -> Example:
        if own is not None and self._random.random() < self._mix.own:
            words, target = own, voice.target
        else:
            number, row = self._text_deck.draw(self._wanted(voice))
            words = self.texts[number].pieces[row]
            target = agreed(voice.target, self.texts[number].targets[row])
        end = voice.window.end
        window = Window(voice.window.audio, spoken(words, end, self._random), end)
        return Example(window.last(self._window), target, voice.origin)

    def _wanted(self, voice: Example) -> int | None:
        """Which emotion the words for this voice should have; None: any."""
        mix = self._mix
        kind = self._random.uniform(mix.own, 1)
        if kind < mix.own + mix.alike:
            return int(voice.target[:-2].argmax())
        return NEUTRAL if kind < mix.own + mix.alike + mix.plain else None


class _Deck:
    """Draws a corpus by its share, then a class, then one of its rows.

    Classes are drawn as often as their size to the power of `balance`: 0 all alike, 1 as they are.
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

    def draw(self, label: int | None = None) -> tuple[int, int]:
        """Corpus and row; of this class, unless no corpus has it."""
        shares = self._shares * [label is None or label in classes for classes in self._rows]
        if not shares.any():
            return self.draw()
        corpus = int(self._random.choice(len(shares), p=shares / shares.sum()))
        classes, weights = self._rows[corpus], self._weights[corpus]
        if label is None:
            label = int(self._random.choice(list(classes), p=weights / weights.sum()))
        return corpus, int(self._random.choice(classes[label]))


def agreed(voice: NDArray[np.float32], words: NDArray[np.float32]) -> NDArray[np.float32]:
    """What a window is when voice and words say this: both alike, but what is plain says little.

    Plain words are said in every mood; a plain voice makes emotional words doubtful.
    """
    share = 0.5
    if words[:-2].argmax() == NEUTRAL:
        share = 0.85
    elif voice[:-2].argmax() == NEUTRAL:
        share = 0.25
    return np.asarray(share * voice + (1 - share) * words, np.float32)


def spoken(pieces: Pieces, end: int, generator: np.random.Generator) -> TextTokens:
    """Text as if spoken at a usual rate, ending shortly before `end`."""
    words = int(pieces.words[-1]) + 1
    rate = max(generator.uniform(1.8, 4.0), words / _LONGEST_TEXT)
    lengths = generator.uniform(0.5, 1.5, words)
    lengths *= words / rate / lengths.sum()
    ends = np.cumsum(lengths)
    centres = ends - ends[-1] - lengths / 2 - generator.uniform(0, 0.4)
    positions = end + np.round(centres * SAMPLE_RATE).astype(np.int64)
    return TextTokens(pieces.features, positions[pieces.words])
