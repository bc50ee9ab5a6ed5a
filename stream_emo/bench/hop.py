"""Cost of the emotion model per hop, beside that of Whisper's encoder."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from stream_emo.bench import workload
from stream_emo.config import Config
from stream_emo.models.checkpoint import Checkpoint
from stream_emo.models.registry import find_whisper
from stream_emo.perception.audio_encoder import AudioEncoder
from stream_emo.perception.audio_tokens import TokenStream
from stream_emo.perception.whisper.model import Whisper
from stream_emo.progress import Progress, track
from stream_emo.types import SAMPLE_RATE

_UTTERANCE_HOPS = 6
_EVERY_CLIP = 16


@dataclass(frozen=True, slots=True)
class Hop:
    """Medians over hops of 1 s, one thread, the stages in turn in one run, ms."""

    hops: int
    whisper_encoder_ms: float
    """One encoder pass over the utterance so far."""
    audio_ms: float
    """Spectrogram, audio encoder, prosody and tokens of the new audio."""
    fusion_ms: float
    """Fusion network, speaker baseline and rolling state, audio only."""
    emotion_ms: float
    """The last two together."""


def hop(data: Path, progress: Progress) -> Hop:
    """Measure the stages on the first 6 s of some recordings of read speech.

    Raises:
        SourceError: there is no LibriSpeech in `data`.
    """
    config = Config()
    whisper = Whisper(find_whisper(config.speech), compute_type=config.speech.compute_type)
    checkpoint = Checkpoint.configured(config.fusion)
    tokens = TokenStream(AudioEncoder(checkpoint.audio_encoder))
    fuser = checkpoint.fuser()
    window = round(config.fusion.window_s * SAMPLE_RATE)
    spent_ms: tuple[list[float], list[float], list[float]] = ([], [], [])
    for path in track(workload.clips(data, workload.READ_SPEECH)[::_EVERY_CLIP], progress, "hop"):
        samples = workload.read(path)[: _UTTERANCE_HOPS * SAMPLE_RATE]
        session = fuser.session(config.fusion)
        tokens.begin()
        for end in range(SAMPLE_RATE, len(samples) + 1, SAMPLE_RATE):
            so_far = samples[:end]
            times = [time.perf_counter()]
            whisper.encode(so_far, 0)
            times.append(time.perf_counter())
            audio = tokens.tokens(so_far, 0, window)
            times.append(time.perf_counter())
            session.roll(0, session.fuse(audio, None, end), 0, end)
            times.append(time.perf_counter())
            for stage, (before, after) in zip(spent_ms, pairwise(times), strict=True):
                stage.append(1000 * (after - before))
        session.update()
    # The first utterance pays for what is done once.
    encoder, audio_ms, fusion = (statistics.median(stage[_UTTERANCE_HOPS:]) for stage in spent_ms)
    return Hop(len(spent_ms[0]) - _UTTERANCE_HOPS, encoder, audio_ms, fusion, audio_ms + fusion)
