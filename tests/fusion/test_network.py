from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from stream_emo.fusion.attention import TokenTensors
from stream_emo.fusion.batch import NetworkOutput, Window, collate
from stream_emo.fusion.hub import PretrainedFusion, save_half
from stream_emo.fusion.network import FusionNetwork, RawScores, to_tensors
from stream_emo.fusion.network_config import NetworkConfig
from stream_emo.types import SAMPLE_RATE, AudioTokens, TextTokens

AUDIO, TEXT = 12, 8


def small_network(**changes: object) -> FusionNetwork:
    torch.manual_seed(0)
    sizes = {"audio_features": AUDIO, "text_features": TEXT, "width": 16, "heads": 2, "hidden": 8}
    return FusionNetwork(NetworkConfig(**sizes, **changes)).eval()


NETWORK = small_network()


def audio(count: int, seed: int = 1, shift: int = 0) -> AudioTokens:
    features = np.random.default_rng(seed).normal(size=(count, AUDIO)).astype(np.float32)
    return AudioTokens(features, np.arange(count) * 3200 + 1600 + shift)


def text(count: int, seed: int = 2, shift: int = 0) -> TextTokens:
    features = np.random.default_rng(seed).normal(size=(count, TEXT)).astype(np.float32)
    return TextTokens(features, np.arange(count) * 4000 + 2000 + shift)


def score(*windows: Window, network: FusionNetwork = NETWORK) -> RawScores:
    batch = collate(windows, AUDIO, TEXT)
    with torch.inference_mode():
        return network(*to_tensors(batch))


def rows(scores: RawScores, row: int = 0) -> np.ndarray:
    return torch.cat([scores.logits, scores.affect, scores.modality_weights], 1)[row].numpy()


END = 2 * SAMPLE_RATE


@settings(deadline=None, max_examples=25)
@given(own=st.integers(1, 12), other=st.integers(1, 30), pieces=st.integers(1, 12))
def test_padding_changes_nothing(own: int, other: int, pieces: int) -> None:
    window = Window(audio(own), text(pieces), END)
    longer = Window(audio(other, seed=3), text(other, seed=4), END)
    np.testing.assert_allclose(rows(score(window)), rows(score(window, longer)), atol=1e-5)


def test_missing_text_scores_like_masked_text() -> None:
    audio_tensors, text_tensors = to_tensors(collate([Window(audio(6), text(5), END)], AUDIO, TEXT))
    masked = replace(text_tensors, present=torch.zeros_like(text_tensors.present))
    with torch.inference_mode():
        without = NETWORK(audio_tensors, masked)
    np.testing.assert_allclose(rows(score(Window(audio(6), None, END))), rows(without), atol=1e-6)


@pytest.mark.parametrize(
    ("window", "weights"),
    [(Window(audio(6), None, END), [1, 0]), (Window(None, text(6), END), [0, 1])],
)
def test_a_missing_modality_has_no_weight_and_leaves_finite_scores(
    window: Window, weights: list[int]
) -> None:
    scores = score(window)
    assert scores.modality_weights[0].tolist() == weights
    assert np.isfinite(rows(scores)).all()


def test_modality_weights_sum_to_one() -> None:
    weights = score(Window(audio(6), text(5), END)).modality_weights[0]
    assert weights.sum().item() == pytest.approx(1)
    assert 0 < weights[0] < 1


def test_the_shares_depend_on_the_tokens_of_both() -> None:
    """Each modality has the same tokens in another order of time, and so the same logits."""
    audio_tokens, text_tokens = audio(6), text(5)
    turned = AudioTokens(audio_tokens.features[::-1].copy(), audio_tokens.positions)
    said_backwards = TextTokens(text_tokens.features[::-1].copy(), text_tokens.positions)
    shares = score(
        Window(audio_tokens, text_tokens, END),
        Window(turned, text_tokens, END),
        Window(audio_tokens, said_backwards, END),
    ).modality_weights[:, 0]
    assert abs(shares[1] - shares[0]) > 1e-5
    assert abs(shares[2] - shares[0]) > 1e-5


def test_one_modality_scores_exactly_as_its_own_head() -> None:
    network = small_network()
    network.audio_only_temperature.fill_(2.5)
    windows = [Window(audio(6), text(5), END), Window(audio(6), None, END), Window(None, text(5), END)]
    own, other = to_tensors(collate(windows, AUDIO, TEXT))
    with torch.inference_mode():
        logits = network(own, other).logits
        from_audio, _ = network.audio.scores(network.audio.normalise.window(own))
        from_text, _ = network.text.scores(network.text.normalise.window(other))
    torch.testing.assert_close(logits[1], from_audio[1] / 2.5, atol=0, rtol=0)
    torch.testing.assert_close(logits[2], from_text[2], atol=0, rtol=0)
    assert not torch.allclose(logits[0], logits[1])


def test_a_window_with_one_modality_does_not_depend_on_the_rest_of_the_batch() -> None:
    alone, both = Window(audio(6), None, END), Window(audio(6), text(5), END)
    np.testing.assert_allclose(rows(score(alone, both)), rows(score(alone)), atol=1e-4)


def test_no_offset_is_as_an_unknown_one_and_an_offset_is_taken_away() -> None:
    network = small_network()
    network.speakers.directions.copy_(torch.eye(AUDIO))
    windows = [Window(audio(6), text(5), END)]

    def scored(offsets: np.ndarray | None) -> np.ndarray:
        batch = collate(windows, AUDIO, TEXT, offsets)
        with torch.inference_mode():
            return rows(network(*to_tensors(batch)))

    np.testing.assert_array_equal(scored(np.zeros((1, AUDIO))), scored(None))
    assert not np.allclose(scored(np.ones((1, AUDIO))), scored(None), atol=1e-4)


def test_a_line_bias_moves_the_audio_logits() -> None:
    network = small_network(emotions=("neutral", "happy", "angry"))
    network.temperature.fill_(2.0)
    bias = np.array([1.0, 0.0, -2.0])

    def predicted(line_bias: np.ndarray | None, words: TextTokens | None) -> NetworkOutput:
        return network.predict(collate([Window(audio(6), words, END)], AUDIO, TEXT, line_bias=line_bias))

    for words in (None, text(5)):
        plain, biased = predicted(None, words), predicted(bias, words)
        np.testing.assert_array_equal(predicted(np.zeros(3), words).probabilities, plain.probabilities)
        np.testing.assert_array_equal(biased.audio_logits, plain.audio_logits)
        moved = np.log(biased.probabilities[0] / plain.probabilities[0])
        assert (moved[0] > moved[1:]).all(), "neutral gains most"
    alone = np.log(predicted(bias, None).probabilities[0] / predicted(None, None).probabilities[0])
    np.testing.assert_allclose(np.diff(alone), np.diff(bias) / 2.0, atol=1e-4)


def test_a_line_bias_has_no_effect_without_audio() -> None:
    windows = [Window(None, text(5), END)]
    plain, biased = (
        NETWORK.predict(collate(windows, AUDIO, TEXT, line_bias=bias)) for bias in (None, np.ones(7) * 3.0)
    )
    np.testing.assert_array_equal(plain.probabilities, biased.probabilities)


def test_audio_logits_give_the_voice_alone() -> None:
    network = small_network()
    network.temperature.fill_(2.0)
    network.audio_only_temperature.fill_(1.5)
    output = network.predict(collate([Window(audio(6), None, END)], AUDIO, TEXT))
    raised = np.exp(output.audio_logits / network.voice_temperature)
    np.testing.assert_allclose(output.probabilities, raised / raised.sum(), atol=1e-5)


@settings(deadline=None, max_examples=20)
@given(shift=st.integers(0, 100_000_000))
def test_a_shift_of_the_clock_changes_nothing(shift: int) -> None:
    here = score(Window(audio(6), text(5), END))
    there = score(Window(audio(6, shift=shift), text(5, shift=shift), END + shift))
    np.testing.assert_array_equal(rows(here), rows(there))


def test_time_matters() -> None:
    near, far = text(5), replace(text(5), positions=text(5).positions // 8)
    apart = rows(score(Window(audio(6), near, END))) - rows(score(Window(audio(6), far, END)))
    assert np.abs(apart).max() > 1e-5


def test_the_order_of_tokens_in_memory_does_not_matter() -> None:
    order = np.random.default_rng(0).permutation(6)
    tokens = audio(6)
    shuffled = AudioTokens(tokens.features[order], tokens.positions[order])
    np.testing.assert_allclose(
        rows(score(Window(tokens, text(5), END))), rows(score(Window(shuffled, text(5), END))), atol=1e-5
    )


def test_window_statistics_are_those_of_the_frames_behind_the_tokens() -> None:
    frames = np.random.default_rng(5).normal(size=(40, AUDIO // 2)).astype(np.float32)
    groups = frames.reshape(4, 10, -1)
    tokens = np.concatenate([groups.mean(1), groups.std(1)], 1)
    stream = TokenTensors(torch.tensor(tokens)[None], torch.zeros(1, 4), torch.ones(1, 4, dtype=torch.bool))
    window = NETWORK.audio.normalise.raw_window(stream)[0].numpy()
    np.testing.assert_allclose(window, np.concatenate([frames.mean(0), frames.std(0)]), atol=1e-5)


def test_relative_features_ignore_their_level() -> None:
    network = small_network()
    network.audio.normalise.relative[0] = True
    louder = audio(6)
    louder.features[:, 0] += 3.0
    with_level, without = score(Window(louder, None, END)), score(Window(louder, None, END), network=network)
    plain_level, plain = (
        score(Window(audio(6), None, END)),
        score(Window(audio(6), None, END), network=network),
    )
    np.testing.assert_allclose(rows(without), rows(plain), atol=1e-4)
    assert np.abs(rows(with_level) - rows(plain_level)).max() > 1e-3


def test_save_and_load_round_trip(tmp_path: Path) -> None:
    network = small_network(emotions=["neutral", "happy"])
    network.temperature.fill_(1.7)
    PretrainedFusion.wrap(network).save_pretrained(tmp_path)
    loaded = PretrainedFusion.from_pretrained(tmp_path).network
    assert loaded.config.emotions == ("neutral", "happy")
    state = loaded.state_dict()
    assert state.keys() == network.state_dict().keys()
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, state[name]), name


def test_saved_in_half_precision_it_loads_as_what_it_was_rounded_to(tmp_path: Path) -> None:
    network = small_network()
    network.speakers.directions.normal_()
    save_half(network, tmp_path)
    loaded = FusionNetwork.load(tmp_path / "model.safetensors", network.config)
    for name, tensor in network.state_dict().items():
        assert loaded.state_dict()[name].dtype == tensor.dtype, name
        assert torch.equal(tensor, loaded.state_dict()[name]), name
    stored = load_file(tmp_path / "model.safetensors")
    assert stored["network.speakers.directions"].dtype == torch.float16
    assert stored["network.temperature"].dtype == torch.float32


def test_tokens_of_another_width_are_refused() -> None:
    with pytest.raises(ValueError, match=r"tokens \(6, 12\) where the network takes \[6, 13\]"):
        collate([Window(audio(6), None, END)], AUDIO + 1, TEXT)


def test_the_window_keeps_what_lies_before_its_end() -> None:
    window = Window(audio(10), text(8), END).last(SAMPLE_RATE)
    assert window.audio is not None
    assert window.text is not None
    assert window.audio.positions.min() >= END - SAMPLE_RATE
    assert window.text.positions.min() >= END - SAMPLE_RATE
    assert Window(audio(2), text(1), 20 * SAMPLE_RATE).last(SAMPLE_RATE).audio is None
