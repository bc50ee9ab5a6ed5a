from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from stream_emo.config import FusionConfig
from stream_emo.events import EMOTIONS
from stream_emo.fusion.baseline import BaselineState
from stream_emo.fusion.batch import Window
from stream_emo.fusion.decision import Rule
from stream_emo.fusion.fuser import Fuser, FusionSession
from stream_emo.fusion.line_adaptation import FixedLine, SessionLine
from stream_emo.fusion.network import FusionNetwork
from stream_emo.fusion.network_config import NetworkConfig
from stream_emo.types import SAMPLE_RATE, AudioTokens, TextTokens

AUDIO, TEXT = 12, 8
END = 4 * SAMPLE_RATE


def make_fuser(temperature: float = 1.0, ood_threshold: float = math.inf) -> Fuser:
    """An untrained network, but with speakers that differ."""
    torch.manual_seed(0)
    config = NetworkConfig(audio_features=AUDIO, text_features=TEXT, width=16, heads=2, hidden=8)
    network = FusionNetwork(config).eval()
    network.speakers.directions.copy_(torch.eye(AUDIO))
    network.temperature.fill_(temperature)
    network.speakers.ood_threshold.fill_(ood_threshold)
    return Fuser(network)


FUSER = make_fuser()


def session(fuser: Fuser = FUSER, line: SessionLine | None = None, **settings: object) -> FusionSession:
    return fuser.session(FusionConfig(**settings), line)


def audio(seconds: float = 4.0, seed: int = 1) -> AudioTokens:
    count = round(seconds * 5)
    features = np.random.default_rng(seed).normal(1, 1, (count, AUDIO)).astype(np.float32)
    return AudioTokens(features, np.arange(count) * 3200 + 1600)


def text() -> TextTokens:
    features = np.random.default_rng(2).normal(size=(6, TEXT)).astype(np.float32)
    return TextTokens(features, np.arange(6) * 8000 + 8000)


def test_an_estimate_is_a_distribution_and_names_its_sources() -> None:
    estimate = session().fuse(audio(), text(), END)
    assert tuple(estimate.probabilities) == EMOTIONS
    assert sum(estimate.probabilities.values()) == pytest.approx(1)
    assert estimate.audio_weight + estimate.text_weight == pytest.approx(1)
    assert -1 <= estimate.valence <= 1
    assert -1 <= estimate.arousal <= 1
    assert estimate.modalities == "both"
    assert estimate.seconds == pytest.approx(3.9), "from the centre of the first token"


def test_what_lies_before_the_window_does_not_count() -> None:
    tokens = audio()
    late = AudioTokens(tokens.features[-10:], tokens.positions[-10:])
    assert session(window_s=2.0).fuse(tokens, None, END) == session().fuse(late, None, END)


def test_the_same_again_gives_the_same() -> None:
    assert session().fuse(audio(), text(), END) == session().fuse(audio(), text(), END)


def test_many_windows_at_once() -> None:
    windows = [Window(audio(), text(), END), Window(audio(2.0), None, END), Window(None, text(), END)]
    for window, together in zip(windows, FUSER.estimate(windows), strict=True):
        (alone,) = FUSER.estimate([window])
        assert together.probabilities == pytest.approx(alone.probabilities, abs=1e-5)


def test_logits_are_divided_by_the_temperature() -> None:
    halved = session(make_fuser(temperature=0.5)).fuse(audio(), None, END)
    squared = {name: p**2 for name, p in session().fuse(audio(), None, END).probabilities.items()}
    total = sum(squared.values())
    assert halved.probabilities == pytest.approx({name: p / total for name, p in squared.items()}, rel=1e-4)


def test_nothing_to_score_is_an_error() -> None:
    with pytest.raises(ValueError, match="neither audio nor text"):
        session().fuse(None, None, END)


def test_the_label_follows_the_decision() -> None:
    estimate = session().fuse(audio(), None, END)
    one = session(false_alarms_per_hour=6.0)
    assert one.label(estimate) == Rule(FUSER.decision, 6.0).label(estimate)
    assert one.affect_std(estimate) == (0.5, 0.5)


def test_audio_out_of_distribution_has_no_label() -> None:
    one = session(make_fuser(ood_threshold=5.0))
    usual, distant = audio(), AudioTokens(audio().features * 50, audio().positions)
    assert one.fuse(usual, None, END).in_distribution
    assert not one.fuse(distant, None, END).in_distribution
    assert one.label(one.fuse(distant, None, END)) is None


def test_a_single_audio_token_has_no_label_without_text() -> None:
    one = session()
    moment = AudioTokens(audio().features[-1:], audio().positions[-1:])
    assert not one.fuse(moment, None, END).in_distribution
    assert one.fuse(moment, text(), END).in_distribution


def test_rolling_state_follows_the_estimates() -> None:
    one = session()
    estimate = one.fuse(audio(), None, END)
    rolling = one.roll(0, estimate, 0, END)
    assert rolling.probabilities == dict(estimate.probabilities)
    assert 0 < rolling.weight_s < END / SAMPLE_RATE


def test_rolling_state_fades_in_silence() -> None:
    one = session(half_life_s=10.0)
    assert one.rolling_at(END) is None
    rolling = one.roll(0, one.fuse(audio(), None, END), 0, END)
    later = one.rolling_at(END + 10 * SAMPLE_RATE)
    assert later is not None
    assert later.probabilities == rolling.probabilities
    assert later.weight_s == pytest.approx(rolling.weight_s / 2)


def varied_past() -> BaselineState:
    """A speaker who showed every emotion, each a little above what is usual."""
    population = FUSER.population
    state = BaselineState.empty(population)
    for emotion in range(len(EMOTIONS)):
        state = state.plus(population, np.ones(AUDIO), np.eye(len(EMOTIONS))[emotion])
    return state


def test_utterances_count_when_they_are_over() -> None:
    one = session()
    one.fuse(audio(), None, END)
    assert one.baseline.counts.sum() == 0
    one.update()
    one.update()
    assert one.baseline.counts.sum() == pytest.approx(1)


def test_the_baseline_is_used_only_when_wanted() -> None:
    with_baseline, without = session(baseline=True), session(baseline=False)
    first = with_baseline.fuse(audio(), None, END)
    assert first == without.fuse(audio(), None, END)
    with_baseline.baseline = without.baseline = varied_past()
    assert with_baseline.fuse(audio(), None, END) != first
    assert without.fuse(audio(), None, END) == first


def test_a_session_may_go_on_with_a_known_speaker() -> None:
    before, after = (session(baseline=True) for _ in range(2))
    before.baseline = varied_past()
    before.fuse(audio(), None, END)
    before.update()
    after.baseline = before.baseline
    assert after.fuse(audio(), None, END) == before.fuse(audio(), None, END)


def test_sessions_of_one_fuser_share_nothing() -> None:
    one, other = session(), session()
    fresh = other.fuse(audio(), None, END)
    one.baseline = varied_past()
    one.fuse(audio(seed=5), None, END)
    one.update()
    assert other.fuse(audio(), None, END) == fresh


def test_the_bias_of_the_line_is_in_nats_of_the_voice_alone() -> None:
    bias = np.linspace(-1, 1, len(EMOTIONS))
    fuser = make_fuser(temperature=2.0)
    none, line = session(fuser), session(fuser, FixedLine(bias))
    plain, biased = none.fuse(audio(), None, END), line.fuse(audio(), None, END)
    moved = [np.log(biased.probabilities[name] / plain.probabilities[name]) for name in EMOTIONS]
    np.testing.assert_allclose(np.diff(moved), np.diff(bias), atol=1e-4)
    assert line.fuse(None, text(), END) == none.fuse(None, text(), END)


class Heard:
    """A line that keeps what it is told."""

    bias = np.linspace(-1, 1, len(EMOTIONS))

    def __init__(self) -> None:
        self.utterances: list[tuple[np.ndarray, float]] = []

    def add(self, log_odds: np.ndarray, seconds: float) -> None:
        self.utterances.append((log_odds, seconds))


def test_the_line_hears_each_finished_utterance_without_its_bias_and_the_baseline() -> None:
    line = Heard()
    one = session(line=line)
    one.baseline = varied_past()
    plain = session(baseline=False).fuse(audio(), None, END)
    for words in (None, text()):
        one.fuse(audio(2.0), None, END)
        one.fuse(audio(), words, END)
        one.update()
    one.fuse(None, text(), END)
    one.update()
    assert len(line.utterances) == 2
    for log_odds, seconds in line.utterances:
        raised = np.exp(log_odds - log_odds.max())
        np.testing.assert_allclose(raised / raised.sum(), list(plain.probabilities.values()), atol=1e-4)
        assert seconds == pytest.approx(4.0, abs=0.2)
