"""Checks of which options of `run` mean something to which source."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stream_emo.errors import StreamEmoError

if TYPE_CHECKING:
    from stream_emo.calls.channel_split import Roles
    from stream_emo.config import Config


def check_options(
    sources: list[str], pcm_options: list[str], device: bool, track: bool, realtime: bool
) -> None:
    """Raise `StreamEmoError` for an option that means nothing to one of the sources."""
    from stream_emo.audio.network import is_url, shown_url

    for source in sources:
        what = {"mic": "the microphone", "-": "standard input"}.get(source, f"the file {source}")
        if is_url(source):
            what = f"the URL {shown_url(source)}"
        if len(sources) > 1 and (source in ("mic", "-") or is_url(source)):
            name = shown_url(source) if is_url(source) else source
            raise StreamEmoError(f"{name}: is one source alone; several must be files")
        if source != "-" and pcm_options:
            raise StreamEmoError(f"{', '.join(pcm_options)}: for PCM on standard input (-), not for {what}")
        if source != "mic" and device:
            raise StreamEmoError(f"--device: for the microphone, not for {what}")
        if (source == "mic" or pcm_options) and track:
            raise StreamEmoError(f"--track: for a file, not for {what}")
        if source == "mic" and realtime:
            raise StreamEmoError(f"--realtime: for a file or standard input, not for {what}")


def check_live(sources: list[str], live: bool | None, realtime: bool) -> None:
    """Raise `StreamEmoError` when --live or --no-live means nothing here."""
    from stream_emo.audio.network import is_url

    if live is not None and sources != ["-"] and not is_url(sources[0]):
        raise StreamEmoError("--live, --no-live: for standard input (-) and URLs only")
    if live and realtime:
        raise StreamEmoError("--realtime and --live exclude each other: a live pipe has its own pace")


def check_call(call: str | None, config: Config) -> Roles:
    """Return the roles of a call, none without --call; `DIARISED` itself for "auto".

    Raises:
        ConfigError: they cannot be read, or nobody may be scored.
        StreamEmoError: the configuration names a channel, too.
    """
    if call is None:
        return ()
    from stream_emo.calls.roles import DIARISED, parse_roles, scored_roles

    roles: Roles = DIARISED if call.strip() == "auto" else parse_roles(call)
    scored_roles([role for role, _ in roles], config.calls)
    if config.audio.channel >= 0:
        raise StreamEmoError("--call and audio.channel exclude each other: --call says which channels count")
    return roles
