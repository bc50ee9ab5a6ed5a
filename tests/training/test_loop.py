"""Training on a made-up corpus: emotions that lie apart, speakers that are offset."""

from __future__ import annotations

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
from stream_emo.training.examples import Sampler, Texts, Voices, spoken, subset
from stream_emo.training.histories import Histories
from stream_emo.training.labels import target
from stream_emo.training.loop import Evidence, Recipe, fit, normalise, predict
from stream_emo.types import SAMPLE_RATE, AudioTokens

FEATURES, TEXT = 16, 8
CONFIG = NetworkConfig(audio_features=FEATURES, text_features=TEXT, width=16, heads=2, hidden=8, directions=8)
RECIPE = Recipe(penalty=0.001, steps=20, batch=32)


def corpus(seed: int = 0, speakers: int = 6) -> Voices:
    random = np.random.default_rng(seed)
    centres = np.random.default_rng(9).normal(0, 1, (len(EMOTIONS), FEATURES // 2))
    voices, targets, names = [], [], []
    for speaker in range(speakers):
        offset = random.normal(0, 0.3, FEATURES // 2)
        for emotion, name in enumerate(EMOTIONS):
            for _ in range(4):
                means = centres[emotion] + offset + random.normal(0, 0.2, (10, FEATURES // 2))
                features = np.concatenate([means, np.ones_like(means)], 1).astype(np.float32)
                tokens = AudioTokens(features, np.arange(10) * 3200)
                voices.append((Window(tokens, None, 2 * SAMPLE_RATE),))
                targets.append(target([name]))
                names.append(str(speaker))
    return Voices(1.0, voices, np.stack(targets), [None] * len(voices), names)


def texts() -> Texts:
    random = np.random.default_rng(3)
    pieces = [Pieces(random.normal(size=(4, TEXT)).astype(np.float32), np.arange(4)) for _ in EMOTIONS]
    return Texts(1.0, pieces, np.stack([target([name]) for name in EMOTIONS]))


def sampler(*, words: bool = False) -> Sampler:
    return Sampler([corpus()], [texts()] if words else [], 6.0, np.random.default_rng(0))


def histories() -> Histories:
    network = FusionNetwork(CONFIG)
    normalise(network, [voice[-1] for voice in corpus().voices])
    return Histories(network, [corpus()], np.random.default_rng(0))


def evidence() -> Evidence:
    return Evidence(*reading())


def reading() -> tuple[torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(5)
    return torch.randn(len(EMOTIONS) + 2, TEXT, generator=random), torch.randn(
        len(EMOTIONS) + 2, generator=random
    )


def right(network: FusionNetwork) -> float:
    unseen = corpus(seed=1)
    said = predict(network, [voice[-1] for voice in unseen.voices]).argmax(1)
    return float((said == unseen.targets[:, :-2].argmax(1)).mean())


@pytest.mark.parametrize("words", [False, True])
def test_emotions_that_lie_apart_are_told_apart_for_unseen_speakers(words: bool) -> None:
    assert (
        right(fit(CONFIG, sampler(words=words), RECIPE, seed=0, evidence=evidence() if words else None)) > 0.9
    )


def test_only_how_far_each_is_to_be_believed_is_learnt_by_descent() -> None:
    network = fit(CONFIG, sampler(words=True), RECIPE, seed=0, evidence=evidence())
    torch.manual_seed(0)
    untrained = FusionNetwork(CONFIG)
    for modality, before in ((network.audio, untrained.audio), (network.text, untrained.text)):
        assert not torch.equal(modality.gate.weight, before.gate.weight)
    # The reading is the one that was given, the voice's evidence that of the closed form.
    weight, _ = reading()
    said = network.text.head.weight * network.text.normalise.window_scale
    torch.testing.assert_close(said, weight, atol=1e-4, rtol=1e-3)


def test_readers_make_it_calmer() -> None:
    """Beside the same examples, whoever reads aloud is called neutral more often; the rest little changed."""
    people = corpus(seed=2)
    happy = subset(people, people.targets[:, :-2].argmax(1) == EMOTIONS.index("happy"))
    readers = replace(happy, targets=np.stack([target(["neutral"])] * len(happy.voices)))
    plain = fit(CONFIG, sampler(), RECIPE, seed=0)
    calmer = fit(CONFIG, sampler(), RECIPE, seed=0, readers=readers)
    windows = [voice[-1] for voice in readers.voices]
    neutral = [
        softmax(predict(network, windows))[:, EMOTIONS.index("neutral")] for network in (plain, calmer)
    ]
    assert (neutral[1] > neutral[0]).all()
    assert right(calmer) > 0.7


def test_the_words_say_what_their_encoder_was_taught_to() -> None:
    network = fit(CONFIG, sampler(words=True), RECIPE, seed=0, evidence=evidence())
    weight, bias = reading()
    windows = [Window(None, spoken(pieces, 0, np.random.default_rng(0)), 0) for pieces in texts().pieces]
    means = torch.from_numpy(np.stack([pieces.features.mean(0) for pieces in texts().pieces]))
    np.testing.assert_allclose(predict(network, windows), (means @ weight.T + bias)[:, :-2], atol=1e-3)


def test_the_same_seed_gives_the_same_weights() -> None:
    one, other = (fit(CONFIG, sampler(words=True), RECIPE, 4, evidence()).state_dict() for _ in range(2))
    for name, value in one.items():
        assert torch.equal(value, other[name]), name


def test_offsets_are_drawn_alike_for_the_same_seed_and_often_none() -> None:
    origins = [(0, row % 100) for row in range(300)]
    one, other = histories().draw(origins), histories().draw(origins)
    np.testing.assert_array_equal(one, other)
    none = float((one == 0).all(1).mean())
    assert 0.35 < none < 0.9, "no past, or too little to believe"


def test_without_a_voice_there_is_no_offset() -> None:
    np.testing.assert_array_equal(histories().draw([None]), np.zeros((1, 8)))


def test_every_emotion_of_a_corpus_weighs_alike() -> None:
    points, targets, weights = histories().examples(copies=1)
    assert len(points) == len(targets) == len(weights) == 2 * len(corpus().voices)
    sums = np.zeros(len(EMOTIONS))
    np.add.at(sums, targets[:, :-2].argmax(1), weights)
    np.testing.assert_allclose(sums, sums[0])
