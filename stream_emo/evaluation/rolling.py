"""The protocol that measures the rolling label, on conversations made of clips of one unseen speaker."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from stream_emo.config import FusionConfig
from stream_emo.evaluation.metrics import MetricValue, Rows, bootstrap
from stream_emo.evaluation.result import Result
from stream_emo.fusion.batch import Window
from stream_emo.fusion.decision import NEUTRAL
from stream_emo.fusion.fuser import Fuser
from stream_emo.training.datasets import Data
from stream_emo.training.features import encode_clips, final_windows
from stream_emo.training.held_out_corpora import HELD_OUT_CORPORA, TESTED, HeldOut, held_out
from stream_emo.training.labels import merged
from stream_emo.training.operating_points import held_out_decision
from stream_emo.types import SAMPLE_RATE

_FOUR = ("neutral", "happy", "sad", "angry")
_PAUSE_S = 0.8
_IN_A_ROW = 8
_SETTLED = 2
"""Clips in a row after which the label is counted."""
_REPEATS = 2
"""Conversations of each speaker, and of each label."""
_EPISODES = 6
_EPISODE_CLIPS = (3, 6)
"""Clips of the same label in a row in a mixed conversation, at least and at most."""
_LAST = 3

Clips = Sequence[int]
"""Rows of the clips of a conversation."""
Find = Callable[[Data, str, str], HeldOut]


def rolling(source: Data, find: Find = held_out) -> Result:
    """Measure the rolling label after each clip of a conversation, which is one session; audio alone.

    In a row: eight clips of one speaker with one label, counted from the third on. Mixed: four labels take
    turns, three to six clips each; the truth is the label of at least two of the last three clips, and
    moments without one do not count. A label of null is wrong.
    """
    tested = TESTED.get(source.checkpoint, HELD_OUT_CORPORA)
    corpora = [find(source, name, source.checkpoint) for name in tested]
    metrics: dict[str, MetricValue] = {}
    moments: dict[str, list[tuple[str, bool]]] = {}
    for corpus in corpora:
        fuser = Fuser(corpus.network, held_out_decision(corpus))
        for label in _FOUR:
            found = [
                (f"{corpus.name} {speaker}", given == label)
                for speaker, clips in _in_a_row(corpus, label)
                for given in rolling_labels(fuser, [corpus.windows[row] for row in clips])[_SETTLED:]
            ]
            moments.setdefault(f"all: {label} in a row", []).extend(found)
            metrics[f"{corpus.name}: {label} in a row"] = _share(found)
        mixed = list(_mixed_moments(corpus, fuser))
        moments.setdefault("all: mixed", []).extend(mixed)
        metrics[f"{corpus.name}: mixed"] = _share(mixed)
        read = list(_read_moments(corpus, fuser))
        moments.setdefault("all: an emotion in read speech", []).extend(read)
        metrics[f"{corpus.name}: an emotion in read speech"] = _share(read)
    metrics |= {name: _share(found) for name, found in moments.items()}
    return Result(
        "rolling",
        sum(map(len, moments.values())),
        metrics=metrics,
        notes=(
            f"share of moments with the right rolling label; clips {_PAUSE_S} s apart, audio alone",
            f"in a row: {_IN_A_ROW} clips of one speaker and label, from clip {_SETTLED + 1} on",
            f"mixed: episodes of {_EPISODE_CLIPS[0]} to {_EPISODE_CLIPS[1]} clips of {', '.join(_FOUR)}, "
            f"against the majority of the last {_LAST} clips",
            "read speech: LibriSpeech's speakers with odd numbers, each a session by the same network",
        ),
    )


def rolling_labels(fuser: Fuser, windows: Sequence[Window]) -> list[str | None]:
    """Return the rolling label after each clip of one conversation, which is one session."""
    session, clock, labels = fuser.session(FusionConfig()), 0, []
    for number, window in enumerate(windows):
        estimate = session.fuse(window.audio, None, window.end)
        end = clock + round(estimate.seconds * SAMPLE_RATE)
        labels.append(session.roll(number, estimate, clock, end).label)
        session.update()
        clock = end + round(_PAUSE_S * SAMPLE_RATE)
    return labels


def _in_a_row(corpus: HeldOut, label: str) -> Iterator[tuple[str, Clips]]:
    """Yield speakers, and eight of their clips with this label, in random order."""
    random = np.random.default_rng(0)
    for speaker, rows in _by_speaker(corpus, label).items():
        if len(rows) >= _IN_A_ROW:
            for _ in range(_REPEATS):
                yield speaker, random.permutation(rows)[:_IN_A_ROW].tolist()


def _mixed_moments(corpus: HeldOut, fuser: Fuser) -> Iterator[tuple[str, bool]]:
    """Yield the speaker of each counted moment of mixed conversations, and whether the label is right."""
    random = np.random.default_rng(0)
    rows_by_label = {label: _by_speaker(corpus, label) for label in _FOUR}
    for speaker in sorted(set.intersection(*(set(rows) for rows in rows_by_label.values()))):
        for _ in range(_REPEATS):
            clips: list[int] = []
            truth: list[str] = []
            for _ in range(_EPISODES):
                label = str(random.choice([name for name in _FOUR if not truth or name != truth[-1]]))
                count = int(random.integers(_EPISODE_CLIPS[0], _EPISODE_CLIPS[1] + 1))
                clips += random.choice(rows_by_label[label][speaker], count).tolist()
                truth += [label] * count
            for place, given in enumerate(rolling_labels(fuser, [corpus.windows[row] for row in clips])):
                last = truth[max(0, place + 1 - _LAST) : place + 1]
                majority = max(last, key=last.count)
                if place + 1 >= _LAST and last.count(majority) > _LAST / 2:
                    yield f"{corpus.name} {speaker}", given == majority


def _read_moments(corpus: HeldOut, fuser: Fuser) -> Iterator[tuple[str, bool]]:
    """Yield each moment of LibriSpeech's speakers with odd numbers, and whether it has an emotion."""
    source = corpus.source
    clips = [clip for clip in source.clips("librispeech") if int(clip.speaker) % 2]
    encoded = encode_clips(clips, source.audio_encoder, source.cache, progress=source.progress)
    windows = final_windows(encoded)
    for speaker in sorted({clip.speaker for clip in clips}):
        own = [window for window, clip in zip(windows, clips, strict=True) if clip.speaker == speaker]
        for label in rolling_labels(fuser, own):
            yield f"{corpus.name} {speaker}", label not in (None, NEUTRAL)


def _by_speaker(corpus: HeldOut, label: str) -> dict[str, list[int]]:
    """Return the rows of the clips with a label, by speaker."""
    rows: dict[str, list[int]] = {}
    for row, clip in enumerate(corpus.clips):
        if merged(clip.label) == label:
            rows.setdefault(clip.speaker, []).append(row)
    return rows


def _share(moments: Sequence[tuple[str, bool]]) -> MetricValue:
    right = np.array([is_right for _, is_right in moments], np.float64)

    def of(rows: Rows) -> float:
        return float(right[rows].mean()) if len(rows) else float("nan")

    return bootstrap(of, [speaker for speaker, _ in moments])
