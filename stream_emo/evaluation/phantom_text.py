"""The protocol that counts phantom text: words that are published although nobody said them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from stream_emo.audio.samples import read
from stream_emo.config import Config
from stream_emo.engine import Engine
from stream_emo.evaluation.metrics import MetricValue, Rows, bootstrap
from stream_emo.evaluation.result import Result
from stream_emo.events import Score
from stream_emo.progress import track
from stream_emo.training.corpora.layout import audio_files
from stream_emo.training.corpora.registry import ESC_10
from stream_emo.training.datasets import Data
from stream_emo.types import Samples

_NEMO_CLIPS = 450
_HUMAN_SOUNDS = ("004", "006")
"""ESC-10's classes of sounds that people make: babies' cries and sneezes."""

Scores = Callable[[Samples], Sequence[Score]]
"""Gives all scores of a session on one clip [n], mono at 16 kHz."""


def phantom_text(source: Data, scores: Scores | None = None) -> Result:
    """Measure the share of clips of Polish speech (nEMO) and of noises (ESC-10) for which text is published.

    Each clip is a session of its own, with the default configuration, whose recogniser knows English alone.
    In nEMO every tenth clip is taken, so that all speakers occur; in ESC-10 every clip.
    """
    polish = source.clips("nemo")
    polish = polish[:: max(1, len(polish) // _NEMO_CLIPS)][:_NEMO_CLIPS]
    # A file's name is its fold, the recording it was cut from, and the take.
    noises = [(path, path.stem.split("-")[1]) for path in audio_files(ESC_10.within(source.folder), "*/*")]
    human = [noise for noise in noises if noise[0].parent.name.startswith(_HUMAN_SOUNDS)]
    groups = {
        "nEMO": [(clip.path, clip.speaker) for clip in polish],
        "ESC-10 non-human": [noise for noise in noises if noise not in human],
        "ESC-10 human": human,
    }
    scores = scores or _live_scores(Config())
    metrics: dict[str, MetricValue] = {}
    for name, clips in groups.items():
        found = [scores(read(path)) for path, _ in track(clips, source.progress, name)]
        metrics |= _shares(name, found, [origin for _, origin in clips])
    return Result(
        "phantom-text",
        sum(map(len, groups.values())),
        metrics=metrics,
        notes=(
            "each clip is a session of its own; text: in a final score; any text: also in earlier revisions",
            ", ".join(f"{len(clips)} clips of {name}" for name, clips in groups.items()),
        ),
    )


def _shares(name: str, clips: Sequence[Sequence[Score]], origins: Sequence[str]) -> dict[str, MetricValue]:
    """Return the shares of clips with an utterance, with text, and with a label.

    `origins`: the speaker or recording of each clip, which the intervals are over.
    """

    def share(having: Callable[[Score], bool]) -> MetricValue:
        hits = [any(map(having, scores)) for scores in clips]

        def mean(rows: Rows) -> float:
            return sum(hits[row] for row in rows) / len(rows) if len(rows) else float("nan")

        return bootstrap(mean, origins)

    return {
        f"{name}, utterance": share(lambda score: score.final),
        f"{name}, text": share(lambda score: score.final and score.text is not None),
        f"{name}, any text": share(lambda score: score.text is not None),
        f"{name}, label": share(lambda score: score.final and score.label is not None),
        f"{name}, label and text": share(
            lambda score: score.final and score.label is not None and score.text is not None
        ),
    }


def _live_scores(config: Config) -> Scores:
    engine = Engine(config)

    def scores(samples: Samples) -> Sequence[Score]:
        session = engine.session()
        return [event for event in (*session.push(samples), *session.flush()) if isinstance(event, Score)]

    return scores
