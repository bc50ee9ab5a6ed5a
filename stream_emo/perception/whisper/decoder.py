"""Whisper's decoder: from what the encoder heard to tokens.

It takes a forced beginning, and a guess of what follows, in one pass; CTranslate2 goes through both token by
token. What the tokens attend to is kept, so that the times of the words cost nothing more.
Radford et al. (2022), "Robust Speech Recognition via Large-Scale Weak Supervision"; Leviathan et al. (2023),
"Fast Inference from Transformers via Speculative Decoding", where the guess is what was heard before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import exp, log
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stream_emo.perception.whisper.ct2_file import Matrix, variables
from stream_emo.perception.whisper.decoder_graph import DECODER_GRAPH_VERSION, DecoderNetwork
from stream_emo.runtime.onnx_graph import compiled

_SURE = 0.8  # So probable a token that no other is worth a beam.
_LEAST = 2e-38  # Of a probability: there is no smaller normal number in 32 bits.

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The tokens that mean something to the decoder itself."""

    prompt: Sequence[int]
    """What every hypothesis begins with, the first of which..."""
    no_speech: int
    """...is followed by this when nobody speaks."""
    end: int
    suppressed: Sequence[int]
    """Never written..."""
    not_first: Sequence[int]
    """...and not at the beginning."""


@dataclass(frozen=True, slots=True, eq=False)
class Ask:
    states: Floats
    """[n, width], of the encoder."""
    prefix: tuple[int, ...]
    """Forced."""
    guess: tuple[int, ...]
    """What is likely to follow. With beams only what is beyond doubt is taken from it."""
    limit: int
    """Of tokens, the prefix not counted."""


@dataclass(frozen=True, slots=True)
class Style:
    beams: int = 1
    no_repeat: int = 0
    """So many tokens in a row do not occur twice; 0: they may."""


GREEDY = Style()


@dataclass(frozen=True, slots=True, eq=False)
class Hypothesis:
    """What the decoder wrote, before anybody asked whether to trust it."""

    tokens: tuple[int, ...]
    avg_logprob: float
    """Mean natural-log probability per token, the end included."""
    no_speech: float
    """Probability of Whisper's no-speech token."""
    probabilities: tuple[float, ...] = ()
    """Of each token."""
    attention: Floats = field(default_factory=lambda: np.zeros((0, 0, 0), np.float32))
    """[heads, tokens + 1, n]: where each token, then the end, was heard."""


class Decoder:
    """Thread-safe."""

    def __init__(self, model: Path, heads: Sequence[tuple[int, int]], vocabulary: Vocabulary) -> None:
        """`model`: a file of CTranslate2; `heads`: layer and number of those that tell when a token was said.

        Raises:
            OSError, KeyError, ValueError, struct.error: not a Whisper model for CTranslate2.
        """
        weights = variables(np.memmap(model, np.uint8, "r").data)
        network = DecoderNetwork(weights, heads)
        if not heads or not all(0 <= n < network.layers and 0 <= head < network.heads for n, head in heads):
            raise ValueError(f"no attention heads {heads} to align with")
        self.layers = network.layers
        """Of the network, and..."""
        self.vocabulary = vocabulary
        # In the file, of which only the rows that occur are ever read.
        self._embeddings = Matrix.of(weights, "decoder/embeddings/weight")
        self._positions = Matrix.of(weights, "decoder/position_encodings/encodings").rows()
        self.longest = len(self._positions)
        """...how many tokens it has positions for."""
        self._nothing = np.zeros((1, network.heads, 0, network.width // network.heads), np.float32)
        files = [model, model.with_name("config.json")]
        self._memory = compiled("whisper-memory", DECODER_GRAPH_VERSION, files, network.memory)
        self._body = compiled("whisper-body", DECODER_GRAPH_VERSION, files, network.body)
        self._words = compiled("whisper-words", DECODER_GRAPH_VERSION, files, network.words)
        self._suppressed = np.array(vocabulary.suppressed)
        self._not_first = np.array(vocabulary.not_first)

    def memory(self, states: Floats) -> list[Floats]:
        """What is attended to, of the encoder's states [n, width].

        Keys [1, heads, width / heads, n] and values [1, heads, n, width / heads] by turns, of each layer.
        """
        return list(self._memory.run(None, {"states": states}))

    def decode(self, asks: Sequence[Ask], style: Style) -> list[Hypothesis]:
        """The likeliest tokens for each; what else is asked for at the same time makes no difference."""
        searches = [_Search(self, ask, style) for ask in asks]
        while waiting := [search for search in searches if search.hypothesis is None]:
            hidden = np.concatenate([search.hidden for search in waiting])
            probabilities = self._words.run(None, {"x": hidden})[0]
            cuts = np.cumsum([len(search.hidden) for search in waiting])[:-1]
            for search, rows in zip(waiting, np.split(probabilities, cuts), strict=True):
                search.advance(rows)
        return [search.hypothesis for search in searches if search.hypothesis is not None]

    def forward(
        self, tokens: NDArray[np.int64], caches: Sequence[Floats], memory: Sequence[Floats]
    ) -> tuple[Floats, list[Floats], Floats]:
        """More `tokens` [rows, m], either of one row or one of each row, after those in `caches`.

        Returns what becomes of them [rows m, width]; the caches with them, [rows, heads, t, width / heads]
        each; their attention [rows, heads, m, n].
        """
        rows, m = tokens.shape
        past = caches[0].shape[2] if caches else 0
        caches = caches or [self._nothing] * (2 * self.layers)
        heads, width = self._nothing.shape[1], self._nothing.shape[3]
        x = self._embeddings.rows(tokens) + self._positions[past : past + m]
        feed = {
            "x": x.reshape(rows * m, -1),
            "shape": np.array([rows, m, heads, width]),
            "mask": np.triu(np.full((m, past + m), -np.inf, np.float32), past + 1),
        }
        feed |= {f"past {n}": cache for n, cache in enumerate(caches)}
        feed |= {f"memory {n}": part for n, part in enumerate(memory)}
        hidden, attention, *caches = self._body.run(None, feed)
        return hidden, list(caches), attention

    def writable(self, probabilities: Floats, *, first: bool) -> Floats:
        """In place: of what may be written, 1 together; `first`: the first row is the beginning of a text."""
        probabilities[:, self._suppressed] = 0
        probabilities[:, self.vocabulary.end + 1 :] = 0  # Languages, timestamps and the like.
        if first:
            probabilities[0, self._not_first] = 0
        probabilities /= np.maximum(probabilities.sum(1, keepdims=True), _LEAST)
        return probabilities


class _Search:
    """One utterance: its likeliest hypotheses as they grow, one per row."""

    def __init__(self, decoder: Decoder, ask: Ask, style: Style) -> None:
        self._decoder = decoder
        self._ask = ask
        self._style = style
        self._prompt = len(decoder.vocabulary.prompt)
        self._limit = min(ask.limit, decoder.longest - self._prompt - len(ask.prefix))
        self._guess = ask.guess[: self._limit - 1]
        self._memory = decoder.memory(ask.states)
        tokens = np.array([[*decoder.vocabulary.prompt, *ask.prefix, *self._guess]])
        self.hidden, self._caches, self._attention = decoder.forward(tokens, (), self._memory)
        """What is still to be turned into words."""
        self._tokens: list[tuple[int, ...]] = []
        self._log_probabilities: list[tuple[float, ...]] = []
        self._no_speech = 0.0
        self._ended: list[Hypothesis] = []
        self.hypothesis: Hypothesis | None = None
        """The best, when all is done."""

    def advance(self, probabilities: Floats) -> None:
        """`probabilities` [rows of `hidden`, tokens] of what comes next."""
        if self._tokens:
            probabilities = self._decoder.writable(probabilities, first=False)
        else:
            probabilities = self._begun(probabilities)
        candidates = []
        for row, chances in enumerate(probabilities):
            self._forbid_repetitions(row, chances)
            sum_ = sum(self._log_probabilities[row])
            # One more than beams, as one may be the end.
            for _ in range(self._style.beams + 1):
                token = int(chances.argmax())
                score = _log(chances[token])
                candidates.append((sum_ + score, row, token, score))
                chances[token] = 0
        candidates.sort(reverse=True)
        going: list[tuple[int, int, float]] = []
        for _, row, token, score in candidates:
            if len(going) == self._style.beams:
                break
            if token == self._decoder.vocabulary.end:
                self._ended.append(self._finished(row, (*self._log_probabilities[row], score)))
            else:
                going.append((row, token, score))
        if len(self._ended) >= self._style.beams:
            self._stop()
            return
        rows = [row for row, _, _ in going]
        self._tokens = [(*self._tokens[row], token) for row, token, _ in going]
        self._log_probabilities = [(*self._log_probabilities[row], score) for row, _, score in going]
        if rows != list(range(len(self._caches[0]))):
            self._caches = [cache[rows] for cache in self._caches]
            self._attention = self._attention[rows]
        tokens = np.array([[token] for _, token, _ in going])
        self.hidden, self._caches, attention = self._decoder.forward(tokens, self._caches, self._memory)
        self._attention = np.concatenate([self._attention, attention], 2)
        if len(self._tokens[0]) - len(self._ask.prefix) >= self._limit:
            self._ended += [self._finished(row, self._log_probabilities[row]) for row in range(len(going))]
            self._stop()

    def _begun(self, probabilities: Floats) -> Floats:
        """After the first pass: how likely the prefix was, and how much of the guess was right."""
        self._no_speech = float(probabilities[0, self._decoder.vocabulary.no_speech])
        chances = self._decoder.writable(probabilities[self._prompt - 1 :], first=not self._ask.prefix)
        right = len(self._ask.prefix)
        least = _SURE if self._style.beams > 1 else 0.0
        for token in self._guess:
            if int(chances[right].argmax()) != token or chances[right, token] < least:
                break
            right += 1
        tokens = (*self._ask.prefix, *self._guess)[:right]
        self._tokens = [tokens]
        self._log_probabilities = [tuple(_log(chances[n, token]) for n, token in enumerate(tokens))]
        self._caches = [cache[:, :, : self._prompt + right] for cache in self._caches]
        self._attention = self._attention[:, :, : self._prompt + right]
        return chances[right : right + 1]

    def _forbid_repetitions(self, row: int, chances: Floats) -> None:
        """What would complete as many tokens as occurred before."""
        length, tokens = self._style.no_repeat, self._tokens[row]
        if length == 0:
            return
        last = tokens[len(tokens) - length + 1 :]
        for at in range(len(tokens) - length + 1):
            if tokens[at : at + length - 1] == last:
                chances[tokens[at + length - 1]] = 0

    def _finished(self, row: int, log_probabilities: Sequence[float]) -> Hypothesis:
        tokens = self._tokens[row]
        return Hypothesis(
            tokens,
            sum(log_probabilities) / max(1, len(log_probabilities)),
            self._no_speech,
            tuple(exp(score) for score in log_probabilities[: len(tokens)]),
            # From where the first token is expected.
            self._attention[row, :, self._prompt - 1 :],
        )

    def _stop(self) -> None:
        self.hypothesis = max(self._ended, key=lambda hypothesis: hypothesis.avg_logprob)


def _log(probability: float) -> float:
    return log(max(probability, _LEAST))
