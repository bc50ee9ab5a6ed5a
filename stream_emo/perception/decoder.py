"""Whisper's decoder: from what the encoder heard to tokens.

It takes a forced beginning, and a guess of what follows, in one pass; CTranslate2 goes through both token by
token. What the tokens attend to is kept, so that the times of the words cost nothing more.
Radford et al. (2022), "Robust Speech Recognition via Large-Scale Weak Supervision"; Leviathan et al. (2023),
"Fast Inference from Transformers via Speculative Decoding", where the guess is what was heard before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stream_emo.perception.graph import FLOAT, INT64, Axes, Graph, compiled
from stream_emo.perception.weights import Matrix, Weights, variables

_EPSILON = 1e-5
_SURE = np.log(0.8)  # Of a token: no other is worth a beam.

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
    log_probability: float
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
        network = _Network(weights, heads)
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
        self._memory = compiled("whisper-memory", files, network.memory)
        self._body = compiled("whisper-body", files, network.body)
        self._words = compiled("whisper-words", files, network.words)
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
            logits = self._words.run(None, {"x": np.concatenate([search.hidden for search in waiting])})[0]
            cuts = np.cumsum([len(search.hidden) for search in waiting])[:-1]
            for search, rows in zip(waiting, np.split(logits, cuts), strict=True):
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

    def log_softmax(self, logits: Floats, *, first: bool) -> Floats:
        """In place, of what may be written; `first`: the first row is the beginning of a text."""
        logits[:, self._suppressed] = -np.inf
        logits[:, self.vocabulary.end + 1 :] = -np.inf  # Languages, timestamps and the like.
        if first:
            logits[0, self._not_first] = -np.inf
        logits -= logits.max(1, keepdims=True)
        logits -= np.log(np.exp(logits).sum(1, keepdims=True))
        return logits


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

    def advance(self, logits: Floats) -> None:
        """`logits` [rows of `hidden`, tokens] of what comes next."""
        logits = self._decoder.log_softmax(logits, first=False) if self._tokens else self._begun(logits)
        candidates = []
        for row, scores in enumerate(logits):
            self._forbid_repetitions(row, scores)
            sum_ = sum(self._log_probabilities[row])
            # One more than beams, as one may be the end.
            for _ in range(self._style.beams + 1):
                token = int(scores.argmax())
                candidates.append((sum_ + float(scores[token]), row, token, float(scores[token])))
                scores[token] = -np.inf
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

    def _begun(self, logits: Floats) -> Floats:
        """After the first pass: how likely the prefix was, and how much of the guess was right."""
        first = logits[0]
        loudest = float(first.max())
        silent = float(first[self._decoder.vocabulary.no_speech]) - loudest
        self._no_speech = float(np.exp(silent) / np.exp(first - loudest).sum())
        scores = self._decoder.log_softmax(logits[self._prompt - 1 :], first=not self._ask.prefix)
        right = len(self._ask.prefix)
        least = _SURE if self._style.beams > 1 else -np.inf
        for token in self._guess:
            if int(scores[right].argmax()) != token or scores[right, token] < least:
                break
            right += 1
        tokens = (*self._ask.prefix, *self._guess)[:right]
        self._tokens = [tokens]
        self._log_probabilities = [tuple(float(scores[n, token]) for n, token in enumerate(tokens))]
        self._caches = [cache[:, :, : self._prompt + right] for cache in self._caches]
        self._attention = self._attention[:, :, : self._prompt + right]
        return scores[right : right + 1]

    def _forbid_repetitions(self, row: int, scores: Floats) -> None:
        """What would complete as many tokens as occurred before."""
        length, tokens = self._style.no_repeat, self._tokens[row]
        if length == 0:
            return
        last = tokens[len(tokens) - length + 1 :]
        for at in range(len(tokens) - length + 1):
            if tokens[at : at + length - 1] == last:
                scores[tokens[at + length - 1]] = -np.inf

    def _finished(self, row: int, log_probabilities: Sequence[float]) -> Hypothesis:
        tokens = self._tokens[row]
        return Hypothesis(
            tokens,
            sum(log_probabilities) / max(1, len(log_probabilities)),
            self._no_speech,
            tuple(float(np.exp(score)) for score in log_probabilities[: len(tokens)]),
            # From where the first token is expected.
            self._attention[row, :, self._prompt - 1 :],
        )

    def _stop(self) -> None:
        self.hypothesis = max(self._ended, key=lambda hypothesis: hypothesis.log_probability)


class _Network:
    """Writes the three parts of the decoder: what it attends to, its layers, and the words."""

    def __init__(self, weights: Weights, heads: Sequence[tuple[int, int]]) -> None:
        self._weights = weights
        self._telling = heads
        self.heads = int(weights["decoder/num_heads"])
        self.width = len(weights["decoder/layer_norm/gamma"])
        self.layers = sum(
            name.endswith("self_attention/layer_norm/gamma") for name in weights if "decoder/" in name
        )

    def memory(self) -> bytes:
        graph = Graph()
        shape = graph.constant(np.array([1, -1, self.heads, self.width // self.heads]))
        outputs: list[Axes] = []
        for layer in range(self.layers):
            both = graph.linear8("states", *self._affine(f"layer_{layer}/attention/linear_1"))
            keys, values = graph.ops(2, "Split", both, axis=1, num_outputs=2)
            for part, order in ((keys, (0, 2, 3, 1)), (values, (0, 2, 1, 3))):
                name = f"memory {len(outputs)}"
                graph.name(graph.op("Transpose", graph.op("Reshape", part, shape), perm=order), name)
                outputs.append((name, FLOAT, (1, self.heads, f"{name} 2", f"{name} 3")))
        return graph.model([("states", FLOAT, ("n", self.width))], outputs)

    def body(self) -> bytes:
        graph = Graph()
        telling: list[str] = []
        caches: list[str] = []
        x = "x"
        for layer in range(self.layers):
            name = f"layer_{layer}/self_attention"
            first, *rest = self._affine(f"{name}/linear_0", scaled=self.width)
            qkv = graph.linear8(self._norm(graph, x, name), first, *rest)
            query, key, value = (
                graph.apart(part, "shape") for part in graph.ops(3, "Split", qkv, axis=1, num_outputs=3)
            )
            key = graph.op("Concat", f"past {2 * layer}", key, axis=2)
            value = graph.op("Concat", f"past {2 * layer + 1}", value, axis=2)
            caches += [key, value]
            scores = graph.op("MatMul", query, graph.op("Transpose", key, perm=(0, 1, 3, 2)))
            attention = graph.op("Softmax", graph.op("Add", scores, "mask"), axis=-1)
            x = self._attended(graph, x, attention, value, f"{name}/linear_1")

            name = f"layer_{layer}/attention"
            query = graph.linear8(
                self._norm(graph, x, name), *self._affine(f"{name}/linear_0", scaled=self.width)
            )
            scores = graph.op("MatMul", graph.apart(query, "shape"), f"memory {2 * layer}")
            attention = graph.op("Softmax", scores, axis=-1)
            telling += [
                graph.op("Gather", attention, graph.constant(np.array([head])), axis=1)
                for other, head in self._telling
                if other == layer
            ]
            x = self._attended(graph, x, attention, f"memory {2 * layer + 1}", f"{name}/linear_2")

            name = f"layer_{layer}/ffn"
            grown = graph.linear8(self._norm(graph, x, name), *self._affine(f"{name}/linear_0"))
            fed = graph.linear8(graph.op("Gelu", grown), *self._affine(f"{name}/linear_1"))
            x = graph.op("Add", x, fed)
        graph.name(self._norm(graph, x, ""), "hidden")
        graph.name(graph.op("Concat", *telling, axis=1), "attention")
        for number, cache in enumerate(caches):
            graph.name(cache, f"cache {number}")
        width = self.width // self.heads
        cached = ("rows", self.heads, "past", width)
        inputs: list[Axes] = [
            ("x", FLOAT, ("tokens", self.width)),
            ("shape", INT64, (4,)),
            ("mask", FLOAT, ("m", "all")),
            *((f"past {number}", FLOAT, cached) for number in range(len(caches))),
        ]
        for layer in range(self.layers):
            inputs.append((f"memory {2 * layer}", FLOAT, (1, self.heads, width, "n")))
            inputs.append((f"memory {2 * layer + 1}", FLOAT, (1, self.heads, "n", width)))
        outputs: list[Axes] = [
            ("hidden", FLOAT, ("tokens", self.width)),
            ("attention", FLOAT, ("rows", len(telling), "m", "n")),
            *((f"cache {n}", FLOAT, ("rows", self.heads, "all", width)) for n in range(len(caches))),
        ]
        return graph.model(inputs, outputs)

    def words(self) -> bytes:
        graph = Graph()
        embeddings = self._of("embeddings/weight")
        graph.name(graph.linear8("x", embeddings, None), "logits")
        shape = ("rows", len(embeddings))
        return graph.model([("x", FLOAT, ("rows", self.width))], [("logits", FLOAT, shape)])

    def _attended(self, graph: Graph, x: str, attention: str, values: str, name: str) -> str:
        """`x` and what was attended to."""
        attended = graph.together(graph.op("MatMul", attention, values), self.width)
        return graph.op("Add", x, graph.linear8(attended, *self._affine(name)))

    def _norm(self, graph: Graph, x: str, name: str) -> str:
        name = f"{name}/layer_norm".lstrip("/")
        return graph.norm(x, self._of(f"{name}/gamma"), self._of(f"{name}/beta"), _EPSILON)

    def _affine(self, name: str, scaled: int = 0) -> tuple[Floats, Floats]:
        """Weight and bias; of the first `scaled` outputs, queries, as attention wants them."""
        weight, bias = self._of(f"{name}/weight"), self._of(f"{name}/bias")
        scale = (self.width // self.heads) ** -0.5
        weight[:scaled] *= scale
        bias[:scaled] *= scale
        return weight, bias

    def _of(self, name: str) -> Floats:
        return Matrix.of(self._weights, f"decoder/{name}").rows()
