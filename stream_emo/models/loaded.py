"""The loaded models, shared by all sessions of an engine."""

from __future__ import annotations

import concurrent.futures
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

from stream_emo.config import Config
from stream_emo.errors import ConfigError, WeightsError
from stream_emo.fusion.fuser import Fuser
from stream_emo.models.checkpoint import Checkpoint
from stream_emo.models.registry import MINILM, find, find_whisper
from stream_emo.perception.audio_encoder import STATES, AudioEncoder
from stream_emo.perception.text_encoder import TEXT_FEATURES, TextEncoder
from stream_emo.perception.whisper.model import Whisper
from stream_emo.runtime.background import load

_FIXED = (
    "speech.model",
    "speech.language",
    "speech.device",
    "speech.compute_type",
    "speech.text_model",
    "fusion.checkpoint",
)
"""Settings that are fixed when the models are loaded; all others belong to each session."""


@dataclass(frozen=True, slots=True, eq=False)
class Models:
    """Everything that has weights. Thread-safe."""

    config: Config
    """Configuration that the models were loaded with."""
    checkpoint: Checkpoint
    audio_encoder: AudioEncoder
    fuser: Fuser
    whisper: Whisper | None
    """None where `speech.text` is off."""
    text_encoder: Future[TextEncoder] | None
    """Loaded in the background; None where `speech.text` is off."""

    @classmethod
    def load(cls, config: Config, workers: int) -> Models:
        """Load the configured models for `workers` calls at a time.

        What the first transcript needs goes on loading in the background, see `wait`.

        Raises:
            WeightsError: a model is missing, corrupt or does not fit the others.
        """
        speech = config.speech
        # Missing weights are named before anything takes its time.
        folders = (find_whisper(speech), find(MINILM, speech.text_model)) if speech.text else None
        checkpoint = Checkpoint.configured(config.fusion)
        fuser = checkpoint.fuser()
        audio_encoder = AudioEncoder(checkpoint.audio_encoder, speech.device)
        _check_width("fusion.checkpoint", checkpoint.audio_encoder, audio_encoder.width, STATES)
        if folders is None:
            return cls(config, checkpoint, audio_encoder, fuser, None, None)
        whisper, minilm = folders
        return cls(
            config,
            checkpoint,
            audio_encoder,
            fuser,
            Whisper(whisper, speech.language, speech.device, speech.compute_type, workers),
            load("text encoder", lambda: _text_encoder(minilm, checkpoint.text_adapter)),
        )

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until everything is loaded or has failed to, at most `timeout` s; return whether it is."""
        loading = [] if self.text_encoder is None else [self.text_encoder]
        if self.whisper is not None:
            loading += self.whisper.ready
        return not concurrent.futures.wait(loading, timeout).not_done

    def check(self, config: Config) -> None:
        """Check that a session with this configuration can use these models.

        Raises:
            ConfigError: a setting contradicts what was loaded; the message names both.
        """
        for key in _FIXED:
            wanted, loaded = _value(config, key), _value(self.config, key)
            if wanted != loaded:
                raise ConfigError(
                    f"{key} = {wanted!r}, but the engine was loaded with {loaded!r}; "
                    "give the session the same value, or load another Engine"
                )
        if config.speech.text and self.whisper is None:
            raise ConfigError(
                "speech.text = true, but the engine has speech.text = false and no recogniser; "
                "set speech.text = false for the session, or load another Engine"
            )


def _value(config: Config, key: str) -> object:
    section, _, name = key.partition(".")
    return getattr(getattr(config, section), name)


def _text_encoder(folder: Path, adapter: Path) -> TextEncoder:
    encoder = TextEncoder(folder, adapter)
    _check_width("speech.text_model", folder, encoder.width, TEXT_FEATURES)
    return encoder


def _check_width(key: str, folder: Path, width: int, wanted: int) -> None:
    """Raise `WeightsError` for a model that the fusion network was not made for."""
    if width != wanted:
        raise WeightsError(
            f"{key}: {folder} is {width} wide, the fusion network wants {wanted}; see stream-emo models"
        )
