"""Checks of which options of `run` mean something to which source."""

from __future__ import annotations

from stream_emo.errors import StreamEmoError


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
