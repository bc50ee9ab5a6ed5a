"""Whisper's decoder: from the encoder's states to tokens.

A forced prefix and draft tokens are verified in one pass, where CTranslate2 takes one pass per token. The
cross-attention weights are kept, so that word timestamps need no further pass.
Radford et al. (2022), "Robust Speech Recognition via Large-Scale Weak Supervision"; Leviathan et al. (2023),
"Fast Inference from Transformers via Speculative Decoding", where the draft is the previous hypothesis.
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
from stream_emo.perception.whisper.vocabulary import MIN_PROBABILITY, Vocabulary
from stream_emo.runtime.onnx_graph import compiled

_ACCEPT_PROBABILITY = 0.8  # Probability above which a draft token is accepted without trying other beams.
LANGUAGE_THRESHOLD = 0.8
"""Probability above which a detected language is used although another was expected."""

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class DecodeRequest:
    """One utterance to decode."""

    states: Floats
    """Encoder states, float32 [n, width]."""
    prefix: tuple[int, ...]
    """Tokens that the hypothesis must begin with."""
    draft: tuple[int, ...]
    """Draft tokens that probably follow; in beam search only those above 80 % are accepted."""
    max_new_tokens: int
    """Limit of generated tokens, without the prefix."""
    language: str | None = "en"
    """Language code of the vocabulary; None: it is detected."""
    expected_language: str | None = None
    """Language that is used where none is detected with at least 80 %; None: the likeliest."""
    context: tuple[int, ...] = ()
    """Tokens of what was said before."""


@dataclass(frozen=True, slots=True)
class DecodingOptions:
    """Options of the search; requests with equal options may share a batch."""

    beam_size: int = 1
    no_repeat_ngram_size: int = 0
    """Length of token sequences that may not occur twice; 0: no such rule."""


GREEDY = DecodingOptions()


@dataclass(frozen=True, slots=True, eq=False)
class Hypothesis:
    """The decoder's output for one request, before the guards are applied."""

    tokens: tuple[int, ...]
    avg_logprob: float
    """Mean natural-log probability per token, the end included."""
    no_speech_prob: float
    """Probability of Whisper's no-speech token."""
    language: str = "en"
    language_probability: float | None = None
    """Probability of `language`, given or detected, among all that the model knows; None if it knows one."""
    probabilities: tuple[float, ...] = ()
    """Probability of each token."""
    attention: Floats = field(default_factory=lambda: np.zeros((0, 0, 0), np.float32))
    """Cross-attention weights [alignment heads, tokens + 1, n] of each token, then of the end."""


class Decoder:
    """Whisper's decoder in ONNX Runtime. Thread-safe."""

    def __init__(self, model: Path, heads: Sequence[tuple[int, int]], vocabulary: Vocabulary) -> None:
        """Load the weights from `model`, a CTranslate2 file, and compile the graphs unless they are cached.

        `heads`: layer and number of the attention heads that align tokens with audio.

        Raises:
            OSError, KeyError, ValueError, struct.error: the file is not a Whisper model for CTranslate2.
        """
        weights = variables(np.memmap(model, np.uint8, "r").data)
        network = DecoderNetwork(weights, heads)
        if not heads or not all(0 <= n < network.layers and 0 <= head < network.heads for n, head in heads):
            raise ValueError(f"no attention heads {heads} to align with")
        self.layers = network.layers
        """Number of the network's layers."""
        self.vocabulary = vocabulary
        # Mapped into memory: only the rows that occur are ever read.
        self._embeddings = Matrix.of(weights, "decoder/embeddings/weight")
        self._positions = Matrix.of(weights, "decoder/position_encodings/encodings").rows()
        self.max_length = len(self._positions)
        """Number of tokens, the prompt included, for which there are positions."""
        self._no_cache = np.zeros((1, network.heads, 0, network.width // network.heads), np.float32)
        files = [model, model.with_name("config.json")]
        self._cross_kv = compiled("whisper-cross-kv", DECODER_GRAPH_VERSION, files, network.cross_kv)
        self._body = compiled("whisper-body", DECODER_GRAPH_VERSION, files, network.body)
        self._output = compiled("whisper-output", DECODER_GRAPH_VERSION, files, network.output)
        self._suppressed = np.array(vocabulary.suppressed)
        self._suppressed_first = np.array(vocabulary.suppressed_first)

    def cross_kv(self, states: Floats) -> list[Floats]:
        """Compute the cross-attention KV cache of the encoder's states [n, width].

        Returns keys [1, heads, width / heads, n], then values [1, heads, n, width / heads], of each layer.
        """
        return list(self._cross_kv.run(None, {"states": states}))

    def decode(self, requests: Sequence[DecodeRequest], options: DecodingOptions) -> list[Hypothesis]:
        """Return the best hypothesis of each request; the requests of a batch do not affect each other."""
        searches = [_Search(self, request, options) for request in requests]
        while waiting := [search for search in searches if search.hypothesis is None]:
            hidden = np.concatenate([search.hidden for search in waiting])
            probabilities = self._output.run(None, {"x": hidden})[0]
            cuts = np.cumsum([len(search.hidden) for search in waiting])[:-1]
            for search, rows in zip(waiting, np.split(probabilities, cuts), strict=True):
                search.advance(rows)
        return [search.hypothesis for search in searches if search.hypothesis is not None]

    def detect_language(self, cross_kv: Sequence[Floats]) -> tuple[str, float]:
        """Return the likeliest language of the audio and its probability among all languages.

        The method is Whisper's: the distribution over language tokens after the start of the transcript.
        """
        hidden, _, _ = self.forward(np.array([[self.vocabulary.start]]), (), cross_kv)
        (probabilities,) = self._output.run(None, {"x": hidden})[0]
        languages = self.vocabulary.among_languages(probabilities)
        best = max(languages, key=lambda language: languages[language])
        return best, languages[best]

    def forward(
        self, tokens: NDArray[np.int64], caches: Sequence[Floats], cross_kv: Sequence[Floats]
    ) -> tuple[Floats, list[Floats], Floats]:
        """Run the layers on new `tokens` [rows, m] that follow those in `caches`.

        `cross_kv` has one row, which all rows share. Returns the hidden states [rows m, width]; the
        self-attention KV caches, extended, each [rows, heads, t, width / heads]; the cross-attention weights
        [rows, alignment heads, m, n].
        """
        rows, m = tokens.shape
        past = caches[0].shape[2] if caches else 0
        caches = caches or [self._no_cache] * (2 * self.layers)
        heads, width = self._no_cache.shape[1], self._no_cache.shape[3]
        x = self._embeddings.rows(tokens) + self._positions[past : past + m]
        feed = {
            "x": x.reshape(rows * m, -1),
            "shape": np.array([rows, m, heads, width]),
            "mask": np.triu(np.full((m, past + m), -np.inf, np.float32), past + 1),
        }
        feed |= {f"past {n}": cache for n, cache in enumerate(caches)}
        feed |= {f"cross_kv {n}": part for n, part in enumerate(cross_kv)}
        hidden, attention, *caches = self._body.run(None, feed)
        return hidden, list(caches), attention

    def mask_tokens(self, probabilities: Floats, *, first: bool) -> Floats:
        """Zero suppressed tokens in `probabilities` [rows, vocabulary] and renormalise, in place.

        `first`: the first row predicts the first token of a text.
        """
        probabilities[:, self._suppressed] = 0
        probabilities[:, self.vocabulary.end + 1 :] = 0  # Languages, timestamps and the like.
        if first:
            probabilities[0, self._suppressed_first] = 0
        probabilities /= np.maximum(probabilities.sum(1, keepdims=True), MIN_PROBABILITY)
        return probabilities


class _Search:
    """The beam search of one utterance, with one row per unfinished hypothesis."""

    def __init__(self, decoder: Decoder, request: DecodeRequest, options: DecodingOptions) -> None:
        self._decoder = decoder
        self._request = request
        self._options = options
        self._cross_kv = decoder.cross_kv(request.states)
        self._language = self._find_language()
        self._language_probability: float | None = None
        context = decoder.vocabulary.context(request.context)
        prompt = decoder.vocabulary.prompt(self._language)
        self._prompt = len(prompt)
        self._before = len(context) + len(prompt)
        """Number of tokens before those of the hypothesis."""
        self._limit = min(request.max_new_tokens, decoder.max_length - self._before - len(request.prefix))
        self._draft = request.draft[: self._limit - 1]
        tokens = np.array([[*context, *prompt, *request.prefix, *self._draft]])
        hidden, self._caches, self._attention = decoder.forward(tokens, (), self._cross_kv)
        self.hidden = hidden[len(context) :]
        """Hidden states [m, width] whose next tokens are to be predicted."""
        self._tokens: list[tuple[int, ...]] = []
        self._logprobs: list[tuple[float, ...]] = []
        self._no_speech_prob = 0.0
        self._ended: list[Hypothesis] = []
        self.hypothesis: Hypothesis | None = None
        """The best one, once the search has ended."""

    def _find_language(self) -> str:
        """Return the language to decode in."""
        request = self._request
        if request.language is not None:
            return request.language
        language, probability = self._decoder.detect_language(self._cross_kv)
        if probability < LANGUAGE_THRESHOLD and request.expected_language is not None:
            return request.expected_language
        return language

    def advance(self, probabilities: Floats) -> None:
        """Take one step, given the `probabilities` [rows of `hidden`, vocabulary] of the next tokens."""
        if self._tokens:
            probabilities = self._decoder.mask_tokens(probabilities, first=False)
        else:
            probabilities = self._verify_draft(probabilities)
        growing = self._select(probabilities)
        if len(self._ended) >= self._options.beam_size:
            self._stop()
            return
        self._grow(growing)
        if len(self._tokens[0]) - len(self._request.prefix) >= self._limit:
            self._ended += [self._finished(row, self._logprobs[row]) for row in range(len(growing))]
            self._stop()

    def _verify_draft(self, probabilities: Floats) -> Floats:
        """Score the prefix and accept the draft tokens that the first pass confirms.

        Returns the probabilities [1, vocabulary] of the token that follows.
        """
        vocabulary = self._decoder.vocabulary
        self._no_speech_prob = float(probabilities[0, vocabulary.no_speech])
        if vocabulary.languages:
            of_languages = vocabulary.among_languages(probabilities[0])
            self._language_probability = of_languages[self._language]
        masked = self._decoder.mask_tokens(probabilities[self._prompt - 1 :], first=not self._request.prefix)
        accepted = len(self._request.prefix)
        threshold = _ACCEPT_PROBABILITY if self._options.beam_size > 1 else 0.0
        for token in self._draft:
            if int(masked[accepted].argmax()) != token or masked[accepted, token] < threshold:
                break
            accepted += 1
        tokens = (*self._request.prefix, *self._draft)[:accepted]
        self._tokens = [tokens]
        self._logprobs = [tuple(_log(masked[n, token]) for n, token in enumerate(tokens))]
        self._caches = [cache[:, :, : self._before + accepted] for cache in self._caches]
        self._attention = self._attention[:, :, : self._before + accepted]
        return masked[accepted : accepted + 1]

    def _select(self, probabilities: Floats) -> list[tuple[int, int, float]]:
        """Return the likeliest continuations (row, token, log probability) and finish those that end."""
        candidates = []
        for row, chances in enumerate(probabilities):
            self._mask_repetitions(row, chances)
            total = sum(self._logprobs[row])
            # One more than the beam size, as one may be the end-of-text token.
            for _ in range(self._options.beam_size + 1):
                token = int(chances.argmax())
                logprob = _log(chances[token])
                candidates.append((total + logprob, row, token, logprob))
                chances[token] = 0
        candidates.sort(reverse=True)
        growing: list[tuple[int, int, float]] = []
        for _, row, token, logprob in candidates:
            if len(growing) == self._options.beam_size:
                break
            if token == self._decoder.vocabulary.end:
                self._ended.append(self._finished(row, (*self._logprobs[row], logprob)))
            else:
                growing.append((row, token, logprob))
        return growing

    def _grow(self, growing: Sequence[tuple[int, int, float]]) -> None:
        """Append a token to each unfinished hypothesis, and run the layers on it."""
        rows = [row for row, _, _ in growing]
        self._tokens = [(*self._tokens[row], token) for row, token, _ in growing]
        self._logprobs = [(*self._logprobs[row], logprob) for row, _, logprob in growing]
        if rows != list(range(len(self._caches[0]))):
            self._caches = [cache[rows] for cache in self._caches]
            self._attention = self._attention[rows]
        tokens = np.array([[token] for _, token, _ in growing])
        self.hidden, self._caches, attention = self._decoder.forward(tokens, self._caches, self._cross_kv)
        self._attention = np.concatenate([self._attention, attention], 2)

    def _mask_repetitions(self, row: int, chances: Floats) -> None:
        """Zero tokens in `chances` [vocabulary] that would repeat an n-gram of the hypothesis, in place."""
        length, tokens = self._options.no_repeat_ngram_size, self._tokens[row]
        if length == 0:
            return
        last = tokens[len(tokens) - length + 1 :]
        for at in range(len(tokens) - length + 1):
            if tokens[at : at + length - 1] == last:
                chances[tokens[at + length - 1]] = 0

    def _finished(self, row: int, logprobs: Sequence[float]) -> Hypothesis:
        tokens = self._tokens[row]
        return Hypothesis(
            tokens,
            sum(logprobs) / max(1, len(logprobs)),
            self._no_speech_prob,
            self._language,
            self._language_probability,
            tuple(exp(logprob) for logprob in logprobs[: len(tokens)]),
            # Beginning with the position that predicts the first token.
            self._attention[row, :, self._before - 1 :],
        )

    def _stop(self) -> None:
        self.hypothesis = max(self._ended, key=lambda hypothesis: hypothesis.avg_logprob)


def _log(probability: float) -> float:
    return log(max(probability, MIN_PROBABILITY))
