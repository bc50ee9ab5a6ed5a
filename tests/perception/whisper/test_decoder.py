"""The real decoder on the project's own clip."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from stream_emo.audio.samples import read
from stream_emo.config import SpeechConfig
from stream_emo.demo import CLIP
from stream_emo.models.registry import find_whisper
from stream_emo.perception.whisper.ct2_file import Matrix
from stream_emo.perception.whisper.decoder import GREEDY, DecodeRequest, DecodingOptions, Hypothesis
from stream_emo.perception.whisper.model import EncodedAudio, Whisper
from stream_emo.types import SAMPLE_RATE

pytestmark = pytest.mark.weights
LIMIT = 30


@pytest.fixture(scope="module")
def whisper() -> Whisper:
    return Whisper(find_whisper(SpeechConfig()))


@pytest.fixture(scope="module")
def encoded(whisper: Whisper) -> EncodedAudio:
    return whisper.encode(read(CLIP)[: 8 * SAMPLE_RATE], 0)


@pytest.fixture(scope="module")
def greedy(whisper: Whisper, encoded: EncodedAudio) -> Hypothesis:
    return decode(whisper, encoded)


def decode(
    whisper: Whisper,
    encoded: EncodedAudio,
    prefix: Sequence[int] = (),
    draft: Sequence[int] = (),
    limit: int = LIMIT,
    options: DecodingOptions = GREEDY,
) -> Hypothesis:
    request = DecodeRequest(encoded.states, tuple(prefix), tuple(draft), limit)
    (hypothesis,) = whisper.decode([request], options)
    return hypothesis


def same(one: Hypothesis, other: Hypothesis) -> None:
    """Equal but for what rounding to 8 bits makes of sums in another order, where near ties may be decided
    differently."""
    assert one.avg_logprob == pytest.approx(other.avg_logprob, abs=0.1)
    assert one.no_speech_prob == pytest.approx(other.no_speech_prob, abs=0.02)
    if one.tokens == other.tokens:
        np.testing.assert_allclose(one.probabilities, other.probabilities, atol=0.1)
        assert one.attention.shape == other.attention.shape


def test_it_finds_the_text_of_ctranslate2_as_likely_and_its_own_no_less(
    whisper: Whisper, encoded: EncodedAudio, greedy: Hypothesis
) -> None:
    """The same weights in another program, which hears 30 s.

    Which words are the likeliest on speech as hard as this depends on the processor's arithmetic; how likely
    they are hardly does.
    """
    segments, _ = whisper._model.transcribe(
        read(CLIP)[: 8 * SAMPLE_RATE], language="en", beam_size=1, temperature=0.0, without_timestamps=True
    )
    (stock,) = segments
    tokens = [token for token in stock.tokens if token < whisper._tokenizer.eot]
    forced = decode(whisper, encoded, tokens, limit=1)
    assert forced.avg_logprob == pytest.approx(stock.avg_logprob, abs=0.2)
    assert greedy.avg_logprob > forced.avg_logprob - 0.2


@pytest.mark.parametrize("wrong", [0, 1, 5])
def test_draft_tokens_change_nothing(
    whisper: Whisper, encoded: EncodedAudio, greedy: Hypothesis, wrong: int
) -> None:
    """Right from the beginning, or up to some token, or not at all."""
    for right in range(0, len(greedy.tokens) + 1, 4):
        draft: Sequence[int] = (*greedy.tokens[:right], *([11] * wrong))
        same(decode(whisper, encoded, draft=draft), greedy)


def test_what_would_be_written_anyway_may_be_forced(
    whisper: Whisper, encoded: EncodedAudio, greedy: Hypothesis
) -> None:
    for length in range(len(greedy.tokens)):
        same(decode(whisper, encoded, greedy.tokens[:length]), greedy)


def test_more_beams_are_at_least_as_likely(
    whisper: Whisper, encoded: EncodedAudio, greedy: Hypothesis
) -> None:
    wide = decode(whisper, encoded, options=DecodingOptions(beam_size=3))
    assert wide.avg_logprob >= greedy.avg_logprob - 1e-3


def test_the_limit_is_kept(whisper: Whisper, encoded: EncodedAudio, greedy: Hypothesis) -> None:
    for options in (GREEDY, DecodingOptions(beam_size=2)):
        assert len(decode(whisper, encoded, greedy.tokens[:2], limit=3, options=options).tokens) == 5
    assert len(decode(whisper, encoded, draft=greedy.tokens, limit=3).tokens) == 3


def test_nothing_is_repeated_when_told_so(
    whisper: Whisper, encoded: EncodedAudio, greedy: Hypothesis
) -> None:
    twice = (*greedy.tokens, *greedy.tokens[:1])
    tokens = decode(whisper, encoded, twice, options=DecodingOptions(2, no_repeat_ngram_size=2)).tokens
    assert tokens[len(twice) :][:1] != greedy.tokens[1:2]


def test_only_text_is_written(whisper: Whisper) -> None:
    decoder = whisper._decoder.result()
    even = np.ones((2, len(decoder._embeddings.stored)), np.float32)
    probabilities = decoder.mask_tokens(even, first=True)
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
