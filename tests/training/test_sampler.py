"""Windows with both modalities: of one emotion, or with one that has nothing to say."""

from __future__ import annotations

import numpy as np

from stream_emo.events import EMOTIONS
from stream_emo.fusion.batch import Window
from stream_emo.perception.text_encoder import Pieces
from stream_emo.training.labels import target
from stream_emo.training.sampler import NEUTRAL, AudioCorpus, Example, Mix, Sampler, TextCorpus
from stream_emo.types import AudioTokens

OWN = 9.0
"""Marks the features of a clip's own transcript; those of a sentence are its emotion's index."""


def pieces(mark: float) -> Pieces:
    return Pieces(np.full((3, 4), mark, np.float32), np.arange(3))


def sampler(mix: Mix) -> Sampler:
    targets = np.stack([target([name]) for name in EMOTIONS])
    clips = [
        (Window(AudioTokens(np.full((8, 4), number, np.float32), np.arange(8) * 3200), None, 30_000),)
        for number in range(len(EMOTIONS))
    ]
    audio = AudioCorpus(1.0, clips, targets, [pieces(OWN)] * len(clips), ["someone"] * len(clips))
    text = TextCorpus(1.0, [pieces(number) for number in range(len(EMOTIONS))], targets)
    return Sampler([audio], [text], 6.0, np.random.default_rng(0), mix)


def kinds(example: Example) -> tuple[float, float, int]:
    """The mark of the audio, that of the text, and the likeliest emotion."""
    window = example.window
    assert window.audio is not None
    assert window.text is not None
    return window.audio.features[0, 0], window.text.features[0, 0], int(example.target[:-2].argmax())


def drawn(mix: Mix) -> set[tuple[float, float, int]]:
    return {kinds(example) for example in sampler(mix).draw(200)}


def only(**shares: float) -> Mix:
    return Mix(0, 0, **{"same_emotion": 0, "emotional_voice": 0, "emotional_words": 0} | shares)


def test_both_of_one_emotion() -> None:
    assert drawn(only(same_emotion=1)) == {(emotion, emotion, emotion) for emotion in range(len(EMOTIONS))}


def test_an_emotional_voice_says_neutral_words_or_its_own_and_is_right() -> None:
    found = drawn(only(emotional_voice=1))
    assert {voice for voice, _, _ in found} == set(range(1, len(EMOTIONS)))
    assert {words for _, words, _ in found} == {NEUTRAL, OWN}
    assert all(truth == voice for voice, _, truth in found)


def test_emotional_words_in_a_neutral_voice_are_right() -> None:
    found = drawn(only(emotional_words=1))
    assert found == {(NEUTRAL, emotion, emotion) for emotion in range(1, len(EMOTIONS))}


def test_the_rest_is_neutral_in_both() -> None:
    assert drawn(only()) == {(NEUTRAL, NEUTRAL, NEUTRAL), (NEUTRAL, OWN, NEUTRAL)}
