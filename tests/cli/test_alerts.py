"""`stream-emo alerts`: what it reports and writes, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from stream_emo.audio.samples import read
from stream_emo.calls.alerts.rules import read_rules
from stream_emo.demo import CLIP
from stream_emo.types import SAMPLE_RATE
from tests.cli.program import invoked

RULES = """
[[alerts]]
name = "any emotion"
measure = "neutral"
below = 0.999
over = "utterance"
min_speech_s = 0.0
"""


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    path = tmp_path / "rules.toml"
    path.write_text(RULES)
    return path


@pytest.mark.weights
def test_alerts_are_reported_and_thresholds_tuned(rules: Path, tmp_path: Path) -> None:
    code, text = invoked("alerts", "test", str(rules), str(CLIP), "--json", "--set", "speech.text=false")
    assert code == 0, text
    report = json.loads(text.splitlines()[0])
    assert report["rules"]["any emotion"]["false"] == len(report["alerts"]) >= 1
    moments = tmp_path / "moments.csv"
    first = report["alerts"][0]["time"]
    moments.write_text(f"path,time,rule\n{CLIP.name},{first},any emotion\n")
    output = tmp_path / "tuned.toml"
    code, text = invoked(
        *("alerts", "tune", str(rules), str(CLIP), "-o", str(output), "--per-hour", "0"),
        *("--set", "speech.text=false"),
    )
    assert code == 0, text
    (tuned,) = read_rules(output)
    assert tuned.threshold < 0.999
    code, text = invoked("alerts", "test", str(output), str(CLIP), "--set", "speech.text=false")
    assert code == 0, text
    assert text.splitlines()[-1].split()[-3] == "0", "raised no more"


@pytest.mark.weights
def test_both_sides_of_a_file_raise_alerts_about_the_conversation(tmp_path: Path) -> None:
    """The agent on channel 0 interrupts the customer of the demonstration, and then nobody speaks."""
    customer = read(CLIP)
    agent = np.zeros_like(customer)
    agent[2 * SAMPLE_RATE :] = customer[: -2 * SAMPLE_RATE]
    both = np.concatenate([np.stack([agent, customer], 1), np.zeros((20 * SAMPLE_RATE, 2), np.float32)])
    path = tmp_path / "call.wav"
    soundfile.write(path, both, SAMPLE_RATE)
    code, text = invoked(
        *("alerts", "test", "shipped", str(path), "--call", "agent=0,customer=1", "--json"),
        *("--set", "speech.text=false"),
    )
    assert code == 0, text
    report = json.loads(text.splitlines()[0])
    assert report["rules"]["dead air"]["false"] == 1
    code, text = invoked("alerts", "test", "shipped", str(path), "--call", "agent=0")
    assert (code, "nobody may be scored" in text) == (2, True)


@pytest.mark.parametrize(
    ("moments", "says"),
    [
        ("path,time\nclip.opus,1\n", "line 2: write path, time in seconds and rule"),
        ("path,time,rule\nclip.opus,soon,any emotion\n", "line 2: write path, time"),
        ("path,time,rule\nother.wav,1,any emotion\n", "other.wav is not among the recordings"),
        ("path,time,rule\nclip.opus,1,rage\n", "'rage' is not one of any emotion"),
    ],
)
def test_wrong_moments_are_named(rules: Path, tmp_path: Path, moments: str, says: str) -> None:
    path = tmp_path / "moments.csv"
    path.write_text(moments)
    code, text = invoked("alerts", "test", str(rules), str(CLIP), "--moments", str(path))
    assert code == 2
    assert says in text


def test_wrong_files_are_named(rules: Path, tmp_path: Path) -> None:
    code, text = invoked("alerts", "test", str(tmp_path / "none.toml"), str(CLIP))
    assert (code, "none.toml" in text) == (2, True)
    code, text = invoked("alerts", "tune", str(rules), str(CLIP), "-o", str(tmp_path / "none" / "x.toml"))
    assert code != 0
    assert "is no folder" in text
