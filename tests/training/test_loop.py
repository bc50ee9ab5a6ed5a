"""Training on a made-up corpus: emotions that lie apart, speakers that are offset."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch

from stream_emo.evaluation.predictions import softmax
from stream_emo.events import EMOTIONS
from stream_emo.fusion.batch import Window
from stream_emo.fusion.network import FusionNetwork
from stream_emo.fusion.network_config import NetworkConfig
from stream_emo.perception.text_encoder import Pieces
from stream_emo.training.labels import target
from stream_emo.training.loop import Hyperparameters, TextHead, fit, normalise, predict
from stream_emo.training.sampler import AudioCorpus, Sampler, TextCorpus, spoken, subset
from stream_emo.training.speaker_histories import SpeakerHistories
from stream_emo.types import SAMPLE_RATE, AudioTokens

FEATURES, TEXT = 16, 8
CONFIG = NetworkConfig(audio_features=FEATURES, text_features=TEXT, width=16, heads=2, hidden=8, directions=8)
HYPERPARAMETERS = Hyperparameters(l2_penalty=0.001, steps=20, batch_size=32)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """On a busy machine several threads wait for each other, over small matrices, for minutes."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def corpus(seed: int = 0, speakers: int = 6) -> AudioCorpus:
    random = np.random.default_rng(seed)
    centres = np.random.default_rng(9).normal(0, 1, (len(EMOTIONS), FEATURES // 2))
    clips, targets, names = [], [], []
    for speaker in range(speakers):
        offset = random.normal(0, 0.3, FEATURES // 2)
        for emotion, name in enumerate(EMOTIONS):
            for _ in range(4):
                means = centres[emotion] + offset + random.normal(0, 0.2, (10, FEATURES // 2))
                features = np.concatenate([means, np.ones_like(means)], 1).astype(np.float32)
                tokens = AudioTokens(features, np.arange(10) * 3200)
                clips.append((Window(tokens, None, 2 * SAMPLE_RATE),))
                targets.append(target([name]))
                names.append(str(speaker))
    return AudioCorpus(1.0, clips, np.stack(targets), [None] * len(clips), names)


def texts() -> TextCorpus:
    random = np.random.default_rng(3)
    pieces = [Pieces(random.normal(size=(4, TEXT)).astype(np.float32), np.arange(4)) for _ in EMOTIONS]
    return TextCorpus(1.0, pieces, np.stack([target([name]) for name in EMOTIONS]))


def sampler(*, text: bool = False) -> Sampler:
    return Sampler([corpus()], [texts()] if text else [], 6.0, np.random.default_rng(0))


def histories() -> SpeakerHistories:
    network = FusionNetwork(CONFIG)
    normalise(network, [windows[-1] for windows in corpus().clips])
    return SpeakerHistories(network, [corpus()], np.random.default_rng(0))


def text_head() -> TextHead:
    random, rows = torch.Generator().manual_seed(5), len(EMOTIONS) + 2
    return TextHead(torch.randn(rows, TEXT, generator=random), torch.randn(rows, generator=random))


def accuracy(network: FusionNetwork) -> float:
    unseen = corpus(seed=1)
    predicted = predict(network, [windows[-1] for windows in unseen.clips]).argmax(1)
    return float((predicted == unseen.targets[:, :-2].argmax(1)).mean())


@pytest.mark.parametrize("text", [False, True])
def test_emotions_that_lie_apart_are_told_apart_for_unseen_speakers(text: bool) -> None:
    head = text_head() if text else None
    assert accuracy(fit(CONFIG, sampler(text=text), HYPERPARAMETERS, seed=0, text_head=head)) > 0.9


def test_gradient_descent_trains_the_gate_and_not_the_heads() -> None:
    network = fit(CONFIG, sampler(text=True), HYPERPARAMETERS, seed=0, text_head=text_head())
    torch.manual_seed(0)
    untrained = FusionNetwork(CONFIG)
    for part in ("gate", "combination"):
        for name, before in getattr(untrained, part).named_parameters():
            if not name.endswith("null_key"):
                assert not torch.equal(getattr(network, part).get_parameter(name), before), name
    weight = text_head().weight
    fitted = network.text.head.weight * network.text.normalise.window_scale
    torch.testing.assert_close(fitted, weight, atol=1e-4, rtol=1e-3)


def test_read_speech_makes_neutral_likelier_and_changes_the_rest_little() -> None:
    people = corpus(seed=2)
    happy = subset(people, people.targets[:, :-2].argmax(1) == EMOTIONS.index("happy"))
    read_speech = replace(happy, targets=np.stack([target(["neutral"])] * len(happy.clips)))
    plain = fit(CONFIG, sampler(), HYPERPARAMETERS, seed=0)
    recalibrated = fit(CONFIG, sampler(), HYPERPARAMETERS, seed=0, read_speech=read_speech)
    windows = [windows[-1] for windows in read_speech.clips]
    neutral = [
        softmax(predict(network, windows))[:, EMOTIONS.index("neutral")] for network in (plain, recalibrated)
    ]
    assert (neutral[1] > neutral[0]).all()
    assert accuracy(recalibrated) > 0.7


def test_text_only_logits_are_those_of_the_text_head() -> None:
    network = fit(CONFIG, sampler(text=True), HYPERPARAMETERS, seed=0, text_head=text_head())
    head = text_head()
    windows = [Window(None, spoken(pieces, 0, np.random.default_rng(0)), 0) for pieces in texts().pieces]
    means = torch.from_numpy(np.stack([pieces.features.mean(0) for pieces in texts().pieces]))
    np.testing.assert_allclose(
        predict(network, windows), (means @ head.weight.T + head.bias)[:, :-2], atol=1e-3
    )


def test_the_same_seed_gives_the_same_weights() -> None:
    one, other = (
        fit(CONFIG, sampler(text=True), HYPERPARAMETERS, 4, text_head()).state_dict() for _ in range(2)
    )
    for name, value in one.items():
        assert torch.equal(value, other[name]), name


def test_the_same_seed_draws_the_same_offsets_many_of_which_are_zero() -> None:
    clips = [(0, row % 100) for row in range(300)]
    one, other = histories().draw(clips), histories().draw(clips)
    np.testing.assert_array_equal(one, other)
    none = float((one == 0).all(1).mean())
    assert 0.35 < none < 0.9, "no history, or too little variety"


def test_without_audio_there_is_no_offset() -> None:
    np.testing.assert_array_equal(histories().draw([None]), np.zeros((1, 8)))


def test_every_emotion_of_a_corpus_weighs_alike() -> None:
    projections, targets, weights = histories().examples(copies=1)
    assert len(projections) == len(targets) == len(weights) == 2 * len(corpus().clips)
    sums = np.zeros(len(EMOTIONS))
    np.add.at(sums, targets[:, :-2].argmax(1), weights)
    np.testing.assert_allclose(sums, sums[0])
