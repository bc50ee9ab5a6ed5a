"""The commands of the mood tracker that know the owner's voice: enrol and forget-voice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from stream_emo.cli.common import ConfigFile, Overrides, progress, say
from stream_emo.cli.mood_data import running
from stream_emo.cli.mood_entry import free_microphone
from stream_emo.config import Config
from stream_emo.errors import ConfigError, StreamEmoError

if TYPE_CHECKING:
    from stream_emo.perception.voice_check import VoiceCheck

_TEXT = (
    "Read something aloud, or talk, in your usual voice and at your usual place, alone, for half a minute."
)


def enrol(
    source: Annotated[
        str, typer.Argument(help="mic, or a sound file of you alone.", show_default=False)
    ] = "mic",
    more: Annotated[
        bool, typer.Option("--more", help="Add to the enrolled voice, as through another microphone.")
    ] = False,
    config_file: ConfigFile = None,
    overrides: Overrides = None,
) -> None:
    """Learn your voice from half a minute of speech, so that only yours is scored.

    What is kept are 30 numbers from which no speech can be heard again, in a file that only you can read.

    \b
    Examples:
      stream-emo mood enrol
      stream-emo mood enrol me.wav
    """
    from stream_emo.audio.source import open_source
    from stream_emo.mood.owner import WANTED_S, VoicePrint, voice_path
    from stream_emo.mood.recording import record_speech

    config = Config.load(config_file, overrides=overrides or [])
    path = voice_path(config.mood)
    known = VoicePrint.load(path) if more else None
    if more and known is None:
        raise StreamEmoError("mood enrol --more: no voice is enrolled yet; stream-emo mood enrol")
    if source == "mic":
        say(_TEXT)
    with free_microphone(config, source), progress("listening") as shown:
        speech = record_speech(open_source(source, config.audio), config, WANTED_S, shown)
    voice = VoicePrint.enrol(speech) if known is None else known.refined(speech)
    voice.save(path)
    say(f"enrolled from {voice.seconds:.0f} s of speech; a running service takes it at its next start")
    say("30 numbers are kept, no audio; stream-emo mood forget-voice erases them")


def forget_voice(config_file: ConfigFile = None, overrides: Overrides = None) -> None:
    """Erase the enrolled voice; the service stops, as it cannot tell whose speech it hears any more.

    \b
    Examples:
      stream-emo mood forget-voice
    """
    from stream_emo.mood.owner import forget, voice_path

    config = Config.load(config_file, overrides=overrides or [])
    if not forget(voice_path(config.mood)):
        raise StreamEmoError("mood forget-voice: no voice is enrolled")
    say("the enrolled voice is erased")
    service = running(config)
    if service is not None and config.mood.owner_only:
        service.ask("stop")
        say("the service has stopped")


def enrolled(config: Config) -> VoiceCheck | None:
    """Return what tells the owner's voice from others; None: everybody is scored, as configured.

    Raises:
        ConfigError: no voice is enrolled.
        StoreError: the enrolled voice cannot be read, or another version enrolled it.
    """
    if not config.mood.owner_only:
        return None
    from stream_emo.mood.owner import VoicePrint, voice_path

    voice = VoicePrint.load(voice_path(config.mood))
    if voice is None:
        raise ConfigError(
            "mood: no voice is enrolled, so that others would be scored, too; stream-emo mood enrol takes "
            "half a minute, --set mood.owner_only=false scores everybody"
        )
    return voice.check()
