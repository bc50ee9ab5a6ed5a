from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from stream_emo.config import FusionConfig
from stream_emo.errors import WeightsError
from stream_emo.fusion.baseline import BaselineState, nothing_heard
from stream_emo.fusion.batch import Window, collate
from stream_emo.fusion.fuser import PACKAGED, Fuser, FusionSession, checkpoint_path
from stream_emo.fusion.hub import PretrainedFusion, load_network
from stream_emo.fusion.network import FusionNetwork
from stream_emo.fusion.network_config import NetworkConfig
from stream_emo.fusion.onnx_network import CompiledNetwork
from stream_emo.types import EMOTIONS, SAMPLE_RATE, AudioTokens, Estimate, TextTokens

AUDIO, TEXT = 12, 8
END = 4 * SAMPLE_RATE


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("checkpoint")
    config = NetworkConfig(audio_features=AUDIO, text_features=TEXT, width=16, heads=2, hidden=8)
    network = FusionNetwork(config)
    # Untrained, but with speakers that differ.
    network.speakers.directions.copy_(torch.eye(AUDIO))
    PretrainedFusion.of(network).save_pretrained(folder)
    return folder


def session(checkpoint: Path, **settings: object) -> FusionSession:
    return Fuser.load(FusionConfig(checkpoint=str(checkpoint), **settings)).session()


def audio(seconds: float = 4.0, seed: int = 1) -> AudioTokens:
    count = round(seconds * 5)
    features = np.random.default_rng(seed).normal(1, 1, (count, AUDIO)).astype(np.float32)
    return AudioTokens(features, np.arange(count) * 3200 + 1600)


def text() -> TextTokens:
    features = np.random.default_rng(2).normal(size=(6, TEXT)).astype(np.float32)
    return TextTokens(features, np.arange(6) * 8000 + 8000)


def test_an_estimate_is_a_distribution_and_names_its_sources(checkpoint: Path) -> None:
    estimate = session(checkpoint).fuse(audio(), text(), END)
    assert tuple(estimate.probabilities) == EMOTIONS
    assert sum(estimate.probabilities.values()) == pytest.approx(1)
    assert estimate.audio_weight + estimate.text_weight == pytest.approx(1)
    assert -1 <= estimate.valence <= 1
    assert -1 <= estimate.arousal <= 1


def test_what_lies_before_the_window_does_not_count(checkpoint: Path) -> None:
    tokens = audio()
    late = AudioTokens(tokens.features[-10:], tokens.positions[-10:])
    assert session(checkpoint, window_s=2.0).fuse(tokens, None, END) == session(checkpoint).fuse(
        late, None, END
    )


def test_the_same_again_gives_the_same(checkpoint: Path) -> None:
    assert session(checkpoint).fuse(audio(), text(), END) == session(checkpoint).fuse(audio(), text(), END)


def test_many_windows_at_once(checkpoint: Path) -> None:
    fuser = Fuser.load(FusionConfig(checkpoint=str(checkpoint)))
    windows = [Window(audio(), text(), END), Window(audio(2.0), None, END), Window(None, text(), END)]
    for window, together in zip(windows, fuser.estimate(windows), strict=True):
        (alone,) = fuser.estimate([window])
        assert together.probabilities == pytest.approx(alone.probabilities, abs=1e-5)


def test_temperature_cools_the_probabilities(checkpoint: Path, tmp_path: Path) -> None:
    model = PretrainedFusion.from_pretrained(checkpoint)
    model.network.temperature.fill_(0.5)
    model.save_pretrained(tmp_path)
    cool, warm = session(tmp_path).fuse(audio(), None, END), session(checkpoint).fuse(audio(), None, END)
    squared = {name: value**2 for name, value in warm.probabilities.items()}
    total = sum(squared.values())
    assert cool.probabilities == pytest.approx(
        {name: value / total for name, value in squared.items()}, rel=1e-4
    )


def test_nothing_to_score_is_an_error(checkpoint: Path) -> None:
    with pytest.raises(ValueError, match="neither voice nor words"):
        session(checkpoint).fuse(None, None, END)


def test_label_abstains_below_its_limit(checkpoint: Path) -> None:
    one = session(checkpoint, abstain_below=0.4)
    likely = dict.fromkeys(EMOTIONS, 0.1)
    for probability, label in ((0.4, "sad"), (0.39, None)):
        assert one.label(Estimate(likely | {"sad": probability}, 0, 0, 1, 0)) == label
    assert one.label(Estimate(likely | {"sad": 0.9}, 0, 0, 1, 0, in_distribution=False)) is None


def test_a_voice_unlike_all_that_was_learnt_from_has_no_label(checkpoint: Path, tmp_path: Path) -> None:
    model = PretrainedFusion.from_pretrained(checkpoint)
    model.network.speakers.farthest.fill_(5.0)
    model.save_pretrained(tmp_path)
    one = session(tmp_path, abstain_below=0.0)
    usual, foreign = audio(), AudioTokens(audio().features * 50, audio().positions)
    assert one.fuse(usual, None, END).in_distribution
    assert not one.fuse(foreign, None, END).in_distribution
    assert one.label(one.fuse(foreign, None, END)) is None


def test_a_moment_of_voice_has_no_label_until_there_are_words(checkpoint: Path) -> None:
    one = session(checkpoint)
    moment = AudioTokens(audio().features[-1:], audio().positions[-1:])
    assert not one.fuse(moment, None, END).in_distribution
    assert one.fuse(moment, text(), END).in_distribution


def test_rolling_state_follows_the_estimates(checkpoint: Path) -> None:
    one = session(checkpoint, abstain_below=0.0)
    estimate = one.fuse(audio(), None, END)
    rolling = one.roll(0, estimate, 0, END)
    assert rolling.probabilities == dict(estimate.probabilities)
    assert rolling.label == one.label(estimate)


def varied_past(checkpoint: Path) -> BaselineState:
    """A speaker who showed every emotion, each a little above what is usual."""
    population = Fuser.load(FusionConfig(checkpoint=str(checkpoint))).population
    state = nothing_heard(population)
    for emotion in range(len(EMOTIONS)):
        state = state.plus(population, np.ones(AUDIO), np.eye(len(EMOTIONS))[emotion])
    return state


def test_utterances_count_when_they_are_over(checkpoint: Path) -> None:
    one = session(checkpoint)
    one.fuse(audio(), None, END)
    assert one.baseline.counts.sum() == 0
    one.settle()
    one.settle()
    assert one.baseline.counts.sum() == pytest.approx(1)


def test_the_baseline_is_used_only_when_wanted(checkpoint: Path) -> None:
    with_baseline, without = session(checkpoint, baseline=True), session(checkpoint, baseline=False)
    first = with_baseline.fuse(audio(), None, END)
    assert first == without.fuse(audio(), None, END)
    with_baseline.baseline = without.baseline = varied_past(checkpoint)
    assert with_baseline.fuse(audio(), None, END) != first
    assert without.fuse(audio(), None, END) == first


def test_a_session_may_go_on_with_a_known_speaker(checkpoint: Path) -> None:
    before, after = (session(checkpoint, baseline=True) for _ in range(2))
    before.baseline = varied_past(checkpoint)
    before.fuse(audio(), None, END)
    before.settle()
    after.baseline = before.baseline
    assert after.fuse(audio(), None, END) == before.fuse(audio(), None, END)


def test_sessions_of_one_fuser_share_nothing(checkpoint: Path) -> None:
    fuser = Fuser.load(FusionConfig(checkpoint=str(checkpoint)))
    one, other = fuser.session(), fuser.session()
    fresh = other.fuse(audio(), None, END)
    one.baseline = varied_past(checkpoint)
    one.fuse(audio(seed=5), None, END)
    one.settle()
    assert other.fuse(audio(), None, END) == fresh


def changed(checkpoint: Path, folder: Path, **values: object) -> Path:
    """A copy of the checkpoint whose configuration says something else."""
    config = json.loads((checkpoint / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | values))
    for name in ("model.safetensors", "fusion.onnx"):
        (folder / name).write_bytes((checkpoint / name).read_bytes())
    return folder


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"emotions": ["neutral", "happy"]}, "neutral, happy"),
        ({"text_encoder": "bert-base"}, "bert-base"),
        ({"features": 0}, "features"),
    ],
)
def test_a_checkpoint_for_something_else_is_refused(
    checkpoint: Path, tmp_path: Path, values: dict[str, object], message: str
) -> None:
    refused(changed(checkpoint, tmp_path, **values), message)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "fusion.onnx"])
@pytest.mark.parametrize("content", [b"", b"{", b"\xff\x00 not weights"])
def test_a_broken_file_is_refused(checkpoint: Path, tmp_path: Path, name: str, content: bytes) -> None:
    (changed(checkpoint, tmp_path) / name).write_bytes(content)
    refused(tmp_path, "corrupt")


def test_a_compiled_network_of_other_weights_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    folder = changed(checkpoint, tmp_path)
    other = PretrainedFusion.of(FusionNetwork(load_network(checkpoint).config))
    other.save_pretrained(tmp_path / "other")
    (tmp_path / "other/model.safetensors").replace(folder / "model.safetensors")
    refused(folder, "fusion.onnx was not made from model.safetensors")


@pytest.mark.parametrize("packaged", [False, True])
def test_compiled_or_not_the_verdicts_are_the_same(checkpoint: Path, packaged: bool) -> None:
    folder = PACKAGED if packaged else checkpoint
    network = load_network(folder).eval()
    widths = network.config.audio_features, network.config.text_features
    random = np.random.default_rng(0)

    def tokens(count: int, width: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        return random.normal(size=(count, width)).astype(np.float32), np.arange(count) * 3200

    voice, words = AudioTokens(*tokens(4, widths[0])), TextTokens(*tokens(7, widths[1]))
    windows = [Window(voice, words, 30_000), Window(voice, None, 20_000), Window(None, words, 25_000)]
    offsets = random.normal(size=(3, network.population.means.shape[1]))
    compiled = CompiledNetwork(folder, network.config)
    for chosen, offset in ((windows, offsets), (windows[1:2], None), (windows[2:], offsets[:1])):
        batch = collate(chosen, *widths, offset)
        one, other = network.verdicts(batch), compiled.verdicts(batch)
        for name in ("probabilities", "affect", "weights", "points"):
            np.testing.assert_allclose(getattr(one, name), getattr(other, name), atol=1e-3, err_msg=name)


def test_a_missing_checkpoint_is_refused(tmp_path: Path) -> None:
    refused(tmp_path / "nowhere", "no config.json, model.safetensors")


def refused(folder: Path, message: str) -> None:
    with pytest.raises(WeightsError) as caught:
        Fuser.load(FusionConfig(checkpoint=str(folder)))
    text = str(caught.value)
    assert text.startswith(f"{folder}: ")
    assert message in text
    assert text.endswith("set fusion.checkpoint to a folder that `stream-emo train` made")
    assert "\n" not in text


def test_where_the_checkpoint_is_looked_for() -> None:
    assert checkpoint_path(FusionConfig(checkpoint="~/mine")) == Path.home() / "mine"
    assert checkpoint_path(FusionConfig()).name == "weights"


def test_the_packaged_checkpoint_loads_and_hears_the_tokens_of_today() -> None:
    from stream_emo.perception.audio_tokens import AUDIO_FEATURES

    tokens = AudioTokens(np.zeros((5, AUDIO_FEATURES), np.float32), np.arange(5) * 3200)
    estimate = Fuser.load(FusionConfig()).session().fuse(tokens, None, SAMPLE_RATE)
    assert sum(estimate.probabilities.values()) == pytest.approx(1)
