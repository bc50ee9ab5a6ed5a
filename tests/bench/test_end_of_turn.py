from __future__ import annotations

import math

import numpy as np

from stream_emo.bench.end_of_turn import Pause, pauses, rule
from stream_emo.types import Samples

ENDED = Pause(math.inf, 0.9)


def test_a_rule_waits_long_where_the_turn_goes_on() -> None:
    clips = [[Pause(0.5, 0.1), ENDED], [Pause(0.5, 0.8), ENDED], [ENDED], [Pause(math.inf, 0.2)]]
    fixed = rule(clips, 0.3, 0.3, 0.0)
    assert (fixed.cut_percent, fixed.wait_s) == (50, 0.3)
    both = rule(clips, 0.3, 0.9, 0.5)
    assert (both.cut_percent, both.wait_s) == (25, 0.45)


def test_the_model_is_asked_at_each_pause_with_what_was_heard(speech: Samples) -> None:
    heard: list[int] = []

    def model(samples: Samples) -> float:
        heard.append(len(samples))
        return 0.5

    twice = np.concatenate([speech, np.zeros(8000, np.float32), speech])
    found = pauses(twice, model)
    assert math.isinf(found[-1].length_s)
    assert any(0.4 < pause.length_s < 1.5 for pause in found[:-1])
    assert heard == sorted(heard)
    assert len(heard) == len(found)
