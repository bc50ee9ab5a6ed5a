"""Voice activity detection: the probability of speech per frame, from three detectors behind one protocol."""

from __future__ import annotations

from stream_emo.audio.vad.base import VAD_VERSION, Vad
from stream_emo.audio.vad.combined import CombinedVad
from stream_emo.audio.vad.silero import SileroVad
from stream_emo.audio.vad.webrtc import WebRtcVad
from stream_emo.config import GateConfig

__all__ = ["VAD_VERSION", "CombinedVad", "SileroVad", "Vad", "WebRtcVad", "make_vad"]


def make_vad(config: GateConfig) -> Vad:
    """Return the configured detector. Raises `WeightsError` when its package or weights are missing."""
    match config.vad:
        case "silero":
            return SileroVad()
        case "webrtc":
            return WebRtcVad()
        case _:
            return CombinedVad()
