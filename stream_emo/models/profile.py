"""Reads the profile of a Whisper model folder, so that another size or language is configuration only."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np

from stream_emo.errors import ConfigError, WeightsError
from stream_emo.perception.whisper.ct2_file import variables
from stream_emo.perception.whisper.profile import AUTO, WhisperProfile

_MULTILINGUAL_VOCABULARY = 51865  # Tokens of a model that knows more than English, at least.
_LANGUAGE_TOKEN = re.compile(r"<\|([a-z]{2,3})\|>")


def read_profile(folder: Path, name: str = "") -> WhisperProfile:
    """Read the profile of the model for CTranslate2 in `folder`, from the headers of its weights and JSON.

    `name`: as in `speech.model`; empty: the folder's.

    Raises:
        WeightsError: the folder does not hold such a model.
    """
    try:
        weights = variables(np.memmap(folder / "model.bin", np.uint8, "r").data)
        width, mel_bands, _ = weights["encoder/conv1/weight"].shape
        options = _json(folder / "config.json")
        multilingual = len(weights["decoder/embeddings/weight"]) >= _MULTILINGUAL_VOCABULARY
        return WhisperProfile(
            name=name or str(folder),
            folder=folder,
            languages=_languages(folder / "tokenizer.json") if multilingual else {},
            mel_bands=mel_bands,
            width=width,
            alignment_heads=tuple((int(layer), int(head)) for layer, head in options["alignment_heads"]),
            suppressed_first=tuple(map(int, options["suppress_ids_begin"])),
        )
    except Exception as error:  # Whatever parsing foreign bytes raises; re-raised as ours.
        reason = " ".join(str(error).split())[:200]
        raise WeightsError(f"{folder}: not a Whisper model for CTranslate2 ({reason}); replace it") from error


def check_language(profile: WhisperProfile, language: str) -> None:
    """Check that the model knows the configured language.

    Raises:
        ConfigError: naming the model, the language and the remedy.
    """
    if profile.knows(language):
        return
    if not profile.multilingual:
        raise ConfigError(
            f"speech.language = {language!r}, but speech.model = {profile.name!r} knows English only; "
            "set speech.model to 'base' (pip install 'stream-emo[multilingual]'), or speech.language to 'en'"
        )
    known = ", ".join([AUTO, *sorted(profile.languages)])
    raise ConfigError(
        f"speech.language = {language!r} is not a language of speech.model = {profile.name!r}; known: {known}"
    )


def _languages(tokenizer: Path) -> dict[str, int]:
    """Return the language tokens by code: special tokens of two or three letters."""
    found = {}
    for token in _json(tokenizer)["added_tokens"]:
        match = _LANGUAGE_TOKEN.fullmatch(token["content"])
        if match:
            found[match[1]] = int(token["id"])
    return found


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
