from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import exp
from typing import cast

import numpy as np
import pytest

from stream_emo.perception.whisper.decoder import DecodeRequest, DecodingOptions, Hypothesis
from stream_emo.perception.whisper.model import EncodedAudio, Whisper
from stream_emo.perception.whisper.transcriber import Transcriber, transcribe
from stream_emo.perception.whisper.trust import TrustWeights
from stream_emo.types import SAMPLE_RATE, Transcript, Word


class ScriptedWhisper:
    """Returns scripted hypotheses, one per call; a token is an index into its vocabulary."""

    def __init__(self, *said: str | Hypothesis) -> None:
        self.language: str | None = "en"
        self.trust_weights = TrustWeights.read()
        self.vocabulary: list[str] = []
        self.said = [self.hypothesis(text) if isinstance(text, str) else text for text in said]
        self.prefixes: list[str] = []
        self.drafts: list[str] = []
        self.contexts: list[str] = []
        self.beams: list[int] = []
        self.languages: list[tuple[str | None, str | None]] = []

    def hypothesis(self, text: str, avg_logprob: float = -0.1) -> Hypothesis:
        tokens = tuple(map(self.token, text.split()))
        probabilities = (exp(avg_logprob),) * len(tokens)
        attention = np.full((1, len(tokens) + 1, 150), 1 / 150, np.float32)
        return Hypothesis(tokens, avg_logprob, 0.0, probabilities=probabilities, attention=attention)

    def token(self, word: str) -> int:
        if word not in self.vocabulary:
            self.vocabulary.append(word)
        return self.vocabulary.index(word)

    def decode(self, requests: Sequence[DecodeRequest], options: DecodingOptions) -> list[Hypothesis]:
        (request,) = requests
        self.prefixes.append(self.text(request.prefix))
        self.drafts.append(self.text(request.draft))
        self.contexts.append(self.text(request.context))
        self.beams.append(options.beam_size)
        self.languages.append((request.language, request.expected_language))
        return [self.said.pop(0)]

    def words(self, encoded: EncodedAudio, hypothesis: Hypothesis) -> tuple[Word, ...]:
        return tuple(Word(self.vocabulary[token], 0, 1, 1.0) for token in hypothesis.tokens)

    def text(self, tokens: Sequence[int]) -> str:
        return " ".join(self.vocabulary[token] for token in tokens)


class Reader:
    """Drives a transcriber with a scripted Whisper."""

    def __init__(self, whisper: ScriptedWhisper) -> None:
        self._whisper = cast(Whisper, whisper)
        self._transcriber = Transcriber(self._whisper)
        self.begin, self.end = self._transcriber.begin, self._transcriber.end

    @property
    def foreign(self) -> bool:
        return self._transcriber.foreign

    def partial(self, encoded: EncodedAudio) -> Transcript | None:
        return transcribe(self._whisper, self._transcriber.partial(encoded))

    def final(self, encoded: EncodedAudio) -> Transcript | None:
        return transcribe(self._whisper, self._transcriber.final(encoded))


def encoded(seconds: float = 3.0, start: float = 0.0) -> EncodedAudio:
    length = round(seconds * SAMPLE_RATE)
    return EncodedAudio(round(start * SAMPLE_RATE), length, np.zeros((0, 0), np.float32))


def test_what_two_hypotheses_agree_on_is_forced_on_later_ones() -> None:
    whisper = ScriptedWhisper("kids are tall", "kids are talking by", "kids are talking by the door", "x")
    reader = Reader(whisper)
    for expected in ("kids are tall", "kids are talking by", "kids are talking by the door"):
        transcript = reader.partial(encoded())
        assert transcript is not None
        assert transcript.text == expected
    assert whisper.prefixes == ["", "", "kids are"]
    assert whisper.drafts == ["", "kids are tall", "talking by"], "the rest of what was heard last is guessed"
    reader.final(encoded())
    assert whisper.prefixes[-1] == "kids are talking by", "the final transcript begins with it, too"


def test_a_new_utterance_forgets_the_prefix() -> None:
    whisper = ScriptedWhisper("one two three", "one two three", "four")
    reader = Reader(whisper)
    reader.partial(encoded())
    reader.partial(encoded())
    reader.begin()
    reader.partial(encoded())
    assert whisper.prefixes == ["", "", ""]


def test_a_runaway_is_decoded_again_with_care() -> None:
    whisper = ScriptedWhisper(" ".join(["the door"] * 40), "the door")
    transcript = Reader(whisper).final(encoded())
    assert transcript is not None
    assert transcript.text == "the door"
    assert whisper.beams == [2, 5]


def test_a_runaway_twice_is_no_transcript() -> None:
    runaway = " ".join(["the door"] * 40)
    assert Reader(ScriptedWhisper(runaway, runaway)).final(encoded()) is None


@pytest.mark.parametrize(("avg_logprob", "kept"), [(-0.3, True), (-1.2, False)])
def test_what_was_probably_not_said_is_left_out(avg_logprob: float, kept: bool) -> None:
    whisper = ScriptedWhisper()
    whisper.said = [whisper.hypothesis("kids are talking by the door", avg_logprob)] * 2
    reader = Reader(whisper)
    assert (reader.partial(encoded()) is not None) is kept
    assert (reader.final(encoded()) is not None) is kept


def test_an_untrusted_partial_transcript_is_not_forced_on_later_ones() -> None:
    whisper = ScriptedWhisper()
    whisper.said = [whisper.hypothesis("kids are talking", probability) for probability in (-1.5, -1.5, -0.1)]
    reader = Reader(whisper)
    for _ in range(3):
        reader.partial(encoded())
    assert whisper.prefixes == whisper.drafts == ["", "", ""]


def test_three_utterances_of_words_that_were_not_said_are_foreign() -> None:
    whisper = ScriptedWhisper()
    whisper.said = [whisper.hypothesis("thanks to you all for watching", -1.1) for _ in range(3)]
    reader = Reader(whisper)
    for count in range(1, 4):
        reader.begin()
        assert reader.final(encoded()) is None
        reader.end()
        assert reader.foreign is (count == 3)


def after_fellow_americans(start: float, *said: tuple[str, float]) -> tuple[ScriptedWhisper, str | None]:
    """Transcribe an utterance that begins at `start`, 3 s after another began, by these hypotheses."""
    whisper = ScriptedWhisper("and so my fellow americans")
    whisper.said += [whisper.hypothesis(text, avg_logprob) for text, avg_logprob in said]
    reader = Reader(whisper)
    reader.final(encoded())
    reader.end()
    reader.begin()
    transcript = reader.final(encoded(start=start))
    return whisper, transcript.text if transcript else None


def test_a_doubtful_utterance_is_decoded_again_after_what_was_said_before() -> None:
    whisper, text = after_fellow_americans(4.0, ("as not", -1.0), ("ask not", -0.3))
    assert text == "ask not"
    assert whisper.contexts == ["", "", "and so my fellow americans"]
    assert whisper.drafts[-1] == "as not"


def test_the_likelier_of_the_two_is_kept() -> None:
    assert after_fellow_americans(4.0, ("ask not", -0.52), ("as not", -0.6))[1] == "ask not"


def test_what_is_certain_or_was_said_long_ago_needs_no_context() -> None:
    assert after_fellow_americans(4.0, ("ask not", -0.2))[0].contexts == ["", ""]
    assert after_fellow_americans(14.0, ("ask not", -0.6))[0].contexts == ["", ""]


def test_repeating_the_context_is_not_saying_it_again() -> None:
    said = ("ask not", -0.55), ("and so my fellow americans", -0.1)
    assert after_fellow_americans(4.0, *said)[1] == "ask not"


def test_nothing_said_is_no_transcript() -> None:
    assert Reader(ScriptedWhisper("")).final(encoded()) is None


@pytest.mark.parametrize(
    ("once", "kept"), [(-0.2, "kids are by the door"), (-0.9, "kids are by the door kids are by the door")]
)
def test_what_is_said_twice_must_be_much_likelier_than_once(once: float, kept: str) -> None:
    whisper = ScriptedWhisper("kids are by the door kids are by the door")
    whisper.said.append(whisper.hypothesis("kids are by the door", once))
    transcript = Reader(whisper).final(encoded())
    assert transcript is not None
    assert transcript.text == kept
    assert whisper.beams == [2, 5]


def test_short_repetitions_are_left_alone() -> None:
    whisper = ScriptedWhisper("no no no no no")
    transcript = Reader(whisper).final(encoded())
    assert transcript is not None
    assert transcript.text == "no no no no no"


def test_a_language_is_detected_until_it_is_certain_and_expected_afterwards() -> None:
    whisper = ScriptedWhisper()
    whisper.language = None
    for language, probability in (("lv", 0.6), ("pl", 0.9), ("pl", 1.0), ("de", 0.3)):
        hypothesis = whisper.hypothesis("tak")
        whisper.said.append(replace(hypothesis, language=language, language_probability=probability))
    reader = Reader(whisper)
    transcripts = [reader.partial(encoded()) for _ in range(3)]
    reader.begin()
    transcripts.append(reader.final(encoded()))
    assert whisper.languages == [(None, None), (None, None), ("pl", "pl"), (None, "pl")]
    assert [found.language for found in transcripts if found] == ["lv", "pl", "pl", "de"]
