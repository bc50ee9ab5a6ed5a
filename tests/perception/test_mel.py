from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_emo.perception.mel import BANDS, HOP_LENGTH, log_mel, scaled


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 300), st.floats(1e-4, 1.0))
def test_it_is_what_faster_whisper_hears(columns: int, level: float) -> None:
    from faster_whisper.feature_extractor import FeatureExtractor

    samples = np.random.default_rng(columns).normal(0, level, columns * HOP_LENGTH).astype(np.float32)
    theirs = FeatureExtractor()(samples, padding=0)[:, :columns]
    np.testing.assert_allclose(scaled(log_mel(samples)), theirs, atol=1e-4)


def test_digital_silence_is_finite() -> None:
    mel = log_mel(np.zeros(10 * HOP_LENGTH, np.float32))
    assert mel.shape == (BANDS, 10)
    assert np.isfinite(scaled(mel)).all()
