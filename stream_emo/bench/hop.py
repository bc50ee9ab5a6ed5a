"""What the emotion model costs each hop, beside what Whisper's encoder costs."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from stream_emo.bench import workload
from stream_emo.config import Config
from stream_emo.fusion.fuser import Fuser, checkpoint_path
from stream_emo.models.registry import WHISPER, find
from stream_emo.perception.audio_encoder import ENCODER, VoiceEncoder
from stream_emo.perception.audio_tokens import TokenStream
from stream_emo.perception.whisper.model import Whisper
from stream_emo.runtime.onnx import one_thread_for_numpy
from stream_emo.types import SAMPLE_RATE

_SECONDS = 6  # Of an utterance, a hop each...
_EVERY = 16  # How many recordings are passed over for each that is heard.


@dataclass(frozen=True, slots=True)
class Costs:
    """Medians over hops of 1 s, one thread, each kind of work after the other in one run."""

    hops: int
    whisper_encoder_ms: float
    """One pass for the words of the utterance so far."""
    voice_ms: float
    """Spectrogram, voice encoder, prosody and tokens of what is new."""
    fusion_ms: float
    """Fusion network, speaker baseline, rolling state; voice alone."""
    emotion_ms: float
    """The last two together."""


@dataclass(frozen=True, slots=True)
class Hop:
    hop: Costs


def hop(data: Path) -> Hop:
    """Raises `SourceError`: no LibriSpeech in `data`."""
    config = Config()
    one_thread_for_numpy()
    whisper = Whisper(find(WHISPER, config.speech.model), "cpu", config.speech.compute_type)
    voice = TokenStream(VoiceEncoder(checkpoint_path(config.fusion) / ENCODER))
    fuser = Fuser.load(config.fusion)
    window = round(config.fusion.window_s * SAMPLE_RATE)
    spent: tuple[list[float], list[float], list[float]] = ([], [], [])
    for path in workload.clips(data, workload.READING)[::_EVERY]:
        samples = workload.read(path)[: _SECONDS * SAMPLE_RATE]
        session = fuser.session()
        voice.begin()
        for end in range(SAMPLE_RATE, len(samples) + 1, SAMPLE_RATE):
            so_far = samples[:end]
            times = [time.perf_counter()]
            whisper.encode(so_far, 0)
            times.append(time.perf_counter())
            tokens = voice.tokens(so_far, 0, window)
            times.append(time.perf_counter())
            session.roll(0, session.fuse(tokens, None, end), 0, end)
            times.append(time.perf_counter())
            for kind, (before, after) in zip(spent, pairwise(times), strict=True):
                kind.append(1000 * (after - before))
        session.settle()
    encoder, heard, fused = (statistics.median(times[_SECONDS:]) for times in spent)
    return Hop(Costs(len(spent[0]) - _SECONDS, encoder, heard, fused, heard + fused))
