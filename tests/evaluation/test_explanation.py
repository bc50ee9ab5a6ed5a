"""The protocol `explanation`: the attention that is compared with occlusion."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from stream_emo.errors import SourceError
from stream_emo.evaluation.explanation import attention, explanation
from stream_emo.events import EMOTIONS
from stream_emo.fusion.batch import Window
from stream_emo.fusion.network import FusionNetwork
from stream_emo.fusion.network_config import NetworkConfig
from stream_emo.training.datasets import Data
from stream_emo.types import SAMPLE_RATE, AudioTokens, TextTokens


def window(audio: int, words: tuple[int, ...]) -> Window:
    """Return a window of random tokens; `words`: how many tokens each word has."""
    rng = np.random.default_rng(0)
    count, at = sum(words), np.arange(len(words)) * SAMPLE_RATE
    return Window(
        AudioTokens(rng.normal(size=(audio, 16)).astype(np.float32), np.arange(audio) * SAMPLE_RATE // 5),
        TextTokens(rng.normal(size=(count, 8)).astype(np.float32), np.repeat(at, words)),
        3 * SAMPLE_RATE,
    )


def test_attention_of_each_token_and_word_sums_to_one_and_turns_to_what_scores_high() -> None:
    torch.manual_seed(0)
    network = FusionNetwork(
        NetworkConfig(emotions=EMOTIONS, audio_features=16, text_features=8, width=8, heads=2, hidden=8)
    ).eval()
    audio, words = attention(network, window(10, (1, 3, 2)))
    assert (audio.shape, words.shape) == ((10,), (3,))
    assert audio.sum() == pytest.approx(1, abs=1e-5)
    assert words.sum() == pytest.approx(1, abs=1e-5)
    with torch.no_grad():
        network.gate.audio.pool.slope.fill_(20.0)  # It falls steeply with age.
    assert attention(network, window(10, (1, 3, 2)))[0].argmax() == 9


def test_without_a_corpus_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="ravdess"):
        explanation(Data(tmp_path, tmp_path))
