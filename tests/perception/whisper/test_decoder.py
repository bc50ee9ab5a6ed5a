"""The real decoder on the project's own clip."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from stream_emo.audio.samples import read
from stream_emo.demo import CLIP
from stream_emo.models.registry import WHISPER, find
from stream_emo.perception.whisper.ct2_file import Matrix
from stream_emo.perception.whisper.decoder import GREEDY, Hypothesis, Style
from stream_emo.perception.whisper.model import Encoded, Whisper
from stream_emo.types import SAMPLE_RATE

pytestmark = pytest.mark.weights
LIMIT = 30


@pytest.fixture(scope="module")
def whisper() -> Whisper:
    return Whisper(find(WHISPER, ""))


@pytest.fixture(scope="module")
def encoded(whisper: Whisper) -> Encoded:
    return whisper.encode(read(CLIP)[: 6 * SAMPLE_RATE], 0)


@pytest.fixture(scope="module")
def greedy(whisper: Whisper, encoded: Encoded) -> Hypothesis:
    return whisper.decode(encoded, (), LIMIT)


def same(one: Hypothesis, other: Hypothesis) -> None:
    """But for what rounding to 8 bits makes of sums in another order."""
    assert one.tokens == other.tokens
    assert one.avg_logprob == pytest.approx(other.avg_logprob, abs=0.02)
    assert one.no_speech == pytest.approx(other.no_speech, abs=0.02)
    np.testing.assert_allclose(one.probabilities, other.probabilities, atol=0.1)
    assert one.attention.shape == other.attention.shape


def test_it_writes_what_ctranslate2_writes(whisper: Whisper, greedy: Hypothesis) -> None:
    """The same weights, another program, which hears 30 s; the voice is hard to understand."""
    segments, _ = whisper._model.transcribe(read(CLIP)[: 6 * SAMPLE_RATE], beam_size=1, temperature=0.0)
    stock = " ".join(segment.text.strip() for segment in segments)
    assert whisper.text(greedy.tokens).split()[:8] == stock.split()[:8]


@pytest.mark.parametrize("wrong", [0, 1, 5])
def test_a_guess_changes_nothing(whisper: Whisper, encoded: Encoded, greedy: Hypothesis, wrong: int) -> None:
    """Right from the beginning, or up to some token, or not at all."""
    for right in range(0, len(greedy.tokens) + 1, 4):
        guess: Sequence[int] = (*greedy.tokens[:right], *([11] * wrong))
        same(whisper.decode(encoded, (), LIMIT, guess), greedy)


def test_what_would_be_written_anyway_may_be_forced(
    whisper: Whisper, encoded: Encoded, greedy: Hypothesis
) -> None:
    for length in range(len(greedy.tokens)):
        same(whisper.decode(encoded, greedy.tokens[:length], LIMIT), greedy)


def test_more_beams_are_at_least_as_likely(whisper: Whisper, encoded: Encoded, greedy: Hypothesis) -> None:
    wide = whisper.decode(encoded, (), LIMIT, style=Style(beams=3))
    assert wide.avg_logprob >= greedy.avg_logprob - 1e-3


def test_the_limit_is_kept(whisper: Whisper, encoded: Encoded, greedy: Hypothesis) -> None:
    for style in (GREEDY, Style(beams=2)):
        assert len(whisper.decode(encoded, greedy.tokens[:2], 3, style=style).tokens) == 5
    assert len(whisper.decode(encoded, (), 3, greedy.tokens).tokens) == 3


def test_nothing_is_repeated_when_told_so(whisper: Whisper, encoded: Encoded, greedy: Hypothesis) -> None:
    twice = (*greedy.tokens, *greedy.tokens[:1])
    tokens = whisper.decode(encoded, twice, LIMIT, style=Style(beams=2, no_repeat=2)).tokens
    assert tokens[len(twice) :][:1] != greedy.tokens[1:2]


def test_only_text_is_written(whisper: Whisper) -> None:
    decoder = whisper._decoder.result()
    even = np.ones((2, len(decoder._embeddings.stored)), np.float32)
    probabilities = decoder.writable(even, first=True)
    assert probabilities.sum(1) == pytest.approx(1)
    written = probabilities > 0
    assert not written[:, decoder.vocabulary.end + 1 :].any(), "no timestamps, no languages"
    assert written[:, decoder.vocabulary.end].tolist() == [False, True], "no text is empty at the beginning"


def test_attention_has_a_row_for_each_token_and_the_end(greedy: Hypothesis) -> None:
    assert greedy.attention.shape[1] == len(greedy.tokens) + 1 == len(greedy.probabilities) + 1


def test_matrices_in_8_bits_are_read_by_their_scale() -> None:
    stored = {"w": np.array([[10, -20], [3, 0]], np.int8), "w_scale": np.array([10, 2], np.float32)}
    np.testing.assert_array_equal(Matrix.of(stored, "w").rows(), [[1, -2], [1.5, 0]])
    np.testing.assert_array_equal(Matrix.of(stored, "w").rows(np.array([[1]])), [[[1.5, 0]]])
