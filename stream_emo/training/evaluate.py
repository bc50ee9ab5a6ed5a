"""`stream-emo eval`: accuracy on published corpora, by protocols that others can repeat.

Audio protocols train the shipped architecture anew for every fold, so no speaker is ever both learnt from
and tested. Text protocols test the packaged checkpoint on sentences it has not learnt from.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stream_emo.config import FusionConfig
from stream_emo.fusion.configuration import NetworkConfig
from stream_emo.fusion.fuser import Fuser
from stream_emo.fusion.network import FusionNetwork
from stream_emo.fusion.windows import Window
from stream_emo.perception.audio_tokens import AUDIO_FEATURES
from stream_emo.training.corpora import Clip, Sentence
from stream_emo.training.datasets import Data, subset, whole, written
from stream_emo.training.examples import Sampler, Voices
from stream_emo.training.features import default_cache
from stream_emo.training.labels import RAVDESS, merged
from stream_emo.training.loop import Recipe, fit, predict
from stream_emo.training.metrics import (
    Figure,
    Metric,
    accuracy,
    figure,
    macro_f1,
    unweighted_accuracy,
    weighted_f1,
)
from stream_emo.training.splits import check_leaks
from stream_emo.types import EMOTIONS

_BATCH = 256
_FOUR = ("neutral", "happy", "sad", "angry")


@dataclass(frozen=True, slots=True)
class Result:
    """`figures`: by name, each with a 95 % interval over speakers (audio) or sentences (text)."""

    protocol: str
    items: int
    figures: Mapping[str, Figure]


def ravdess_6fold(data: Path, cache: Path | None = None, recipe: Recipe | None = None) -> Result:
    """RAVDESS, 8 emotions, 6 folds of 4 unseen actors (1-4, 5-8, ...) as in EmoBox (Ma et al. 2024).

    `ua`, `wa`: each clip by itself. `ua_baseline`: each actor's clips in random order as one session with
    a causal speaker baseline. `ua_folds_4_6`: actors 13-24, on which no choice was made.
    """
    source = Data(data, cache or default_cache())
    clips = source.ravdess()
    fold = np.array([(int(clip.speaker) - 1) // 4 for clip in clips])
    tested = _cross_validate(source, clips, fold, RAVDESS, recipe or Recipe())
    late = fold >= 3
    return Result(
        "ravdess-6fold",
        len(clips),
        _voice_figures(tested, len(RAVDESS))
        | {"ua_folds_4_6": tested.only(late).figure(unweighted_accuracy, len(RAVDESS))},
    )


def nemo_loso(data: Path, cache: Path | None = None, recipe: Recipe | None = None) -> Result:
    """nEMO, 6 emotions (no disgust), leave one of 9 speakers out. Figures as in `ravdess_6fold`."""
    source = Data(data, cache or default_cache())
    clips = source.nemo()
    names = sorted({clip.speaker for clip in clips})
    fold = np.array([names.index(clip.speaker) for clip in clips])
    tested = _cross_validate(source, clips, fold, EMOTIONS, recipe or Recipe())
    return Result("nemo-loso", len(clips), _voice_figures(tested, len(EMOTIONS)))


def leave_one_corpus_out(data: Path, cache: Path | None = None, recipe: Recipe | None = None) -> Result:
    """Trained on all voices but one corpus, tested on that: neutral (with calm), happy, sad and angry.

    Per corpus, `ua` and `ua_baseline` as in `ravdess_6fold`.
    """
    source = Data(data, cache or default_cache())
    corpora = {"ravdess": source.ravdess(), "nemo": source.nemo(), "indian": source.indian_emospeech()}
    heard = {name: source.voices(clips) for name, clips in corpora.items()}
    figures: dict[str, Figure] = {}
    count = 0
    for left_out in ("ravdess", "nemo"):
        others = [corpus for name, corpus in heard.items() if name != left_out]
        network = _trained(others, EMOTIONS, recipe or Recipe(), seed=0)
        clips = corpora[left_out]
        four = np.array([merged(clip.label) in _FOUR for clip in clips])
        chosen = [clip for clip, kept in zip(clips, four, strict=True) if kept]
        test = subset(heard[left_out], np.concatenate([four, np.zeros(len(clips), np.bool_)]))
        tested = _tested(network, test, chosen, [EMOTIONS.index(name) for name in _FOUR])
        count += len(chosen)
        for name, value in _voice_figures(tested, len(EMOTIONS)).items():
            figures[f"{left_out} {name}"] = value
    return Result("leave-one-corpus-out", count, figures)


def meld_text(data: Path, cache: Path | None = None) -> Result:
    """MELD test, 7 emotions, words alone, without the dialogue before."""
    source = Data(data, cache or default_cache())
    return _text("meld-text", source, source.meld("test"))


def goemotions_ekman(data: Path, cache: Path | None = None) -> Result:
    """GoEmotions test, grouped after Ekman, words alone; the comments that have exactly one label."""
    source = Data(data, cache or default_cache())
    single = [sentence for sentence in source.goemotions("test") if len(sentence.labels) == 1]
    return _text("goemotions-ekman", source, single)


PROTOCOLS: dict[str, Callable[[Path], Result]] = {
    "ravdess-6fold": ravdess_6fold,
    "nemo-loso": nemo_loso,
    "leave-one-corpus-out": leave_one_corpus_out,
    "meld-text": meld_text,
    "goemotions-ekman": goemotions_ekman,
}


@dataclass(frozen=True, slots=True)
class _Tested:
    """What was said of each clip by a network that does not know its speaker."""

    truth: NDArray[np.int64]
    alone: NDArray[np.int64]
    with_baseline: NDArray[np.int64]
    speakers: NDArray[np.str_]

    def only(self, chosen: NDArray[np.bool_]) -> _Tested:
        return _Tested(
            self.truth[chosen], self.alone[chosen], self.with_baseline[chosen], self.speakers[chosen]
        )

    def figure(self, metric: Metric, classes: int) -> Figure:
        return figure(metric, self.truth, self.alone, self.speakers.tolist(), classes)


def _voice_figures(tested: _Tested, classes: int) -> dict[str, Figure]:
    speakers = tested.speakers.tolist()
    return {
        "ua": tested.figure(unweighted_accuracy, classes),
        "wa": tested.figure(accuracy, classes),
        "ua_baseline": figure(unweighted_accuracy, tested.truth, tested.with_baseline, speakers, classes),
    }


def _cross_validate(
    source: Data, clips: Sequence[Clip], fold: NDArray[np.int64], emotions: Sequence[str], recipe: Recipe
) -> _Tested:
    corpus = source.voices(clips, emotions)
    copies = len(corpus.voices) // len(clips)
    parts = []
    order = []
    for number in np.unique(fold):
        check_leaks(list(compress(clips, fold != number)), list(compress(clips, fold == number)))
        learnt = np.tile(fold != number, copies)
        network = _trained([subset(corpus, learnt)], emotions, recipe, seed=int(number))
        as_it_is = np.concatenate([fold == number, np.zeros((copies - 1) * len(fold), np.bool_)])
        here = np.flatnonzero(fold == number)
        order.append(here)
        parts.append(_tested(network, subset(corpus, as_it_is), [clips[row] for row in here.tolist()]))
    back = np.argsort(np.concatenate(order))
    columns = (np.concatenate([getattr(part, name) for part in parts])[back] for name in _Tested.__slots__)
    return _Tested(*columns)


def _trained(voices: Sequence[Voices], emotions: Sequence[str], recipe: Recipe, seed: int) -> FusionNetwork:
    config = NetworkConfig(emotions=tuple(emotions), audio_features=AUDIO_FEATURES)
    sampler = Sampler(voices, [], FusionConfig().window_s, np.random.default_rng(seed))
    return fit(config, sampler, recipe, seed)


def _tested(
    network: FusionNetwork, corpus: Voices, clips: Sequence[Clip], labels: Sequence[int] | None = None
) -> _Tested:
    """`labels`: the only ones that may be said; None: any."""
    windows = whole(corpus, FusionConfig().window_s)
    speakers = np.array([clip.speaker for clip in clips])
    allowed = np.full(len(network.config.emotions), -np.inf)
    allowed[list(labels) if labels is not None else slice(None)] = 0.0
    return _Tested(
        truth=corpus.targets[:, :-2].argmax(1),
        alone=(predict(network, windows) + allowed).argmax(1),
        with_baseline=(_in_sessions(network, windows, speakers) + allowed).argmax(1),
        speakers=speakers,
    )


def _in_sessions(
    network: FusionNetwork, windows: Sequence[Window], speakers: NDArray[np.str_]
) -> NDArray[np.float64]:
    """Probabilities, each speaker's windows in random order as one session with its causal baseline."""
    generator = np.random.default_rng(0)
    fuser = Fuser(network, FusionConfig())
    scores = np.zeros((len(windows), len(network.config.emotions)))
    for speaker in np.unique(speakers):
        session = fuser.session()
        for row in generator.permutation(np.flatnonzero(speakers == speaker)):
            window = windows[row]
            scores[row] = [*session.fuse(window.audio, None, window.end).probabilities.values()]
            session.settle()
    return scores


def _text(protocol: str, source: Data, sentences: Sequence[Sentence]) -> Result:
    corpus = source.texts(sentences)
    fuser, windows = Fuser.load(FusionConfig()), written(corpus)
    parts = [fuser.estimate(windows[first : first + _BATCH]) for first in range(0, len(windows), _BATCH)]
    probabilities = [[*estimate.probabilities.values()] for part in parts for estimate in part]
    prediction = np.array(probabilities).argmax(1)
    truth = corpus.targets[:, :-2].argmax(1)
    groups = [str(row) for row in range(len(sentences))]
    metrics = {"macro_f1": macro_f1, "weighted_f1": weighted_f1, "ua": unweighted_accuracy, "wa": accuracy}
    return Result(
        protocol,
        len(sentences),
        {name: figure(metric, truth, prediction, groups, len(EMOTIONS)) for name, metric in metrics.items()},
    )
