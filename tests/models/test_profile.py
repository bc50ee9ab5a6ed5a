from __future__ import annotations

from pathlib import Path

import pytest

from stream_emo.config import SpeechConfig
from stream_emo.errors import ConfigError
from stream_emo.models.profile import check_language
from stream_emo.models.registry import find_whisper
from stream_emo.perception.whisper.profile import WhisperProfile, max_tokens_per_second, written_with_spaces

ENGLISH = WhisperProfile("tiny.en", Path("tiny"), {}, 80, 384, ((1, 0),), (220,))
MULTILINGUAL = WhisperProfile("base", Path("base"), {"en": 50259, "de": 50261}, 80, 512, ((3, 1),), (220,))


@pytest.mark.parametrize(
    ("profile", "language"),
    [(ENGLISH, "en"), (MULTILINGUAL, "en"), (MULTILINGUAL, "de"), (MULTILINGUAL, "auto")],
)
def test_languages_that_a_model_knows(profile: WhisperProfile, language: str) -> None:
    check_language(profile, language)


@pytest.mark.parametrize("language", ["de", "auto"])
def test_an_english_model_names_the_one_to_install(language: str) -> None:
    message = (
        rf"'{language}', but speech\.model = 'tiny\.en' knows English only; .*'stream-emo\[multilingual\]'"
    )
    with pytest.raises(ConfigError, match=message):
        check_language(ENGLISH, language)


def test_an_unknown_language_is_told_the_known_ones() -> None:
    with pytest.raises(
        ConfigError, match=r"'xx' is not a language of speech\.model = 'base'; known: auto, de, en"
    ):
        check_language(MULTILINGUAL, "xx")


@pytest.mark.weights
def test_the_profile_is_read_from_the_model_itself() -> None:
    profile = find_whisper(SpeechConfig())
    assert (profile.name, profile.multilingual, profile.mel_bands, profile.width) == (
        "tiny.en",
        False,
        80,
        384,
    )
    assert profile.alignment_heads[0] == (1, 0)


def test_how_words_are_split_and_how_many_tokens_they_have_depends_on_the_language() -> None:
    assert [written_with_spaces(language) for language in ("en", "de", "zh", "th")] == [
        True,
        True,
        False,
        False,
    ]
    assert max_tokens_per_second("en") < max_tokens_per_second("de")
