from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console
from rich.screen import Screen

from stream_emo.events import (
    EMOTIONS,
    Device,
    Error,
    Event,
    Gap,
    Rolling,
    Score,
    Silence,
    Speech,
    Start,
    Stats,
)
from stream_emo.publish.live_view.course import course
from stream_emo.publish.live_view.layout import frame, summary
from stream_emo.publish.live_view.state import ViewState
from stream_emo.publish.live_view.view import LiveView

PROBABILITIES = dict.fromkeys(EMOTIONS, 0.05) | {"angry": 0.7}
HALF_LIFE_S = 10.0


def start(source: str = "call.wav", **changes: Any) -> Start:
    at = "2026-01-01T00:00:00+00:00"
    return Start(session="s", channel=0, time=0.0, started_at=at, source=source, language="en", **changes)


def rolling(weight_s: float = 8.0, **changes: Any) -> Rolling:
    return msgspec.structs.replace(Rolling(PROBABILITIES, -0.4, 0.5, 0.3, 0.3, "angry", weight_s), **changes)


def score(utterance: int = 0, **changes: Any) -> Score:
    values: dict[str, Any] = {
        "session": "s",
        "channel": 0,
        "utterance": utterance,
        "revision": 0,
        "final": True,
        "start": 4.0 * utterance + 1.0,
        "end": 4.0 * utterance + 3.0,
        "label": "angry",
        "confidence": 0.7,
        "probabilities": PROBABILITIES,
        "valence": -0.5,
        "arousal": 0.6,
        "valence_std": 0.3,
        "arousal_std": 0.3,
        "rolling": rolling(),
        "text": f"this is number {utterance}.",
        "words": (),
        "language": "en",
        "audio_weight": 0.6,
        "text_weight": 0.4,
        "dropped_ms": 0.0,
        "latency_ms": None,
    }
    values |= changes
    return Score(**{"time": values["end"], **values})


def stats(time: float = 1.5, **changes: Any) -> Stats:
    values: dict[str, Any] = {
        "session": "s",
        "channel": 0,
        "time": time,
        "level_db": -30.0,
        "speaking": False,
        "offered": 24000,
        "taken": 24000,
        "dropped": 0,
        "queued": 0,
        "driver_overflows": 0,
        "clipped": 0,
        "utterances": 1,
        "scores": 2,
        "skipped_transcripts": 0,
        "skipped_scores": 0,
        "dropped_events": 0,
        "rolling": None,
    }
    return Stats(**values | changes)


def speech(utterance: int = 0, time: float = 1.0) -> Speech:
    return Speech(session="s", channel=0, time=time, utterance=utterance)


def silence(utterance: int = 0, time: float = 3.0) -> Silence:
    return Silence(session="s", channel=0, time=time, utterance=utterance)


def device(state: Any, time: float = 2.0) -> Device:
    return Device(session="s", channel=0, time=time, state=state, name="USB microphone")


def gap(start: float, end: float, reason: Any = "overflow") -> Gap:
    return Gap(session="s", channel=0, time=end, start=start, end=end, reason=reason)


def state_of(*events: Event) -> ViewState:
    state = ViewState()
    for event in events:
        state.update(event)
    return state


def drawn(state: ViewState, width: int = 100, height: int = 40) -> str:
    return "\n".join(text.plain.rstrip() for text in frame(state, width, height))


def conversation(texts: list[str]) -> Iterator[Event]:
    yield start()
    for number, text in enumerate(texts):
        yield speech(number, 4.0 * number + 1)
        yield score(number, text=text)
        yield silence(number, 4.0 * number + 3)
    yield gap(1.0, 1.5)
    yield device("lost")
    yield Error(session="s", channel=0, time=3.0, message="it broke " * 20, fatal=False)
    yield stats(4.0 * len(texts) + 1)


# -- every size -----------------------------------------------------------------------------------------

TEXTS = st.text(
    st.characters(codec="utf-8", categories=("L", "N", "P", "Zs", "Mn", "So", "Cc")), max_size=300
)


@settings(max_examples=60, deadline=None)
@given(st.integers(20, 220), st.integers(5, 60), st.lists(TEXTS, max_size=8))
def test_it_fits_every_terminal(width: int, height: int, texts: list[str]) -> None:
    state = state_of(*conversation(texts))
    for lines in (frame(state, width, height), summary(state, width, height)):
        assert max(cell_len(text.plain) for text in lines) <= width
        assert all(letter.isprintable() for text in lines for letter in text.plain)
    assert len(frame(state, width, height)) == height


@pytest.mark.parametrize("width", range(20, 221, 20))
@pytest.mark.parametrize("height", [5, 8, 10, 12, 14, 15, 20, 22, 24, 28, 30, 44, 50, 60])
def test_what_reaches_the_terminal_is_no_wider_and_no_higher(width: int, height: int) -> None:
    state = state_of(*conversation(["你好，我想谈谈账单。" * 9] * 9))
    console = Console(file=io.StringIO(), width=width, height=height, color_system=None, force_terminal=True)
    console.print(Screen(*frame(state, width, height)), end="")
    written = console.file.getvalue().split("\n")  # type: ignore[attr-defined]
    assert len(written) == height
    assert {cell_len(line) for line in written} == {width}


@pytest.mark.parametrize("width", [40, 60, 80, 200])
@pytest.mark.parametrize("height", range(10, 61))
def test_the_newest_utterance_is_visible_from_40x10_on(width: int, height: int) -> None:
    state = state_of(*conversation(["the bill is wrong again. " * 3] * 50 + ["goodbye now."]))
    assert "goodbye now." in drawn(state, width, height)


def test_the_end_of_a_long_newest_utterance_is_what_is_shown() -> None:
    state = state_of(start(), score(text="word " * 300 + "the end."))
    assert "end." in drawn(state, 40, 10)


def test_a_tall_terminal_shows_a_long_transcript() -> None:
    text = drawn(state_of(*conversation([f"sentence {number}." for number in range(60)])), 200, 50)
    assert "sentence 59." in text
    assert "sentence 40." in text


# -- what it says ---------------------------------------------------------------------------------------


def test_before_anybody_speaks_it_says_so() -> None:
    text = drawn(state_of(start(), stats()))
    assert "nobody has spoken yet" in text
    assert "call.wav" in text
    assert "-30 dB" in text


def test_the_headline_tells_who_speaks_and_how() -> None:
    assert "somebody speaks" in drawn(state_of(start(), speech()))
    text = drawn(state_of(start(role="customer"), speech(), score(final=False)))
    assert "customer speaks: ▌angry 70 %" in text


def test_an_abstaining_score_is_unsure_and_says_what_is_likeliest() -> None:
    text = drawn(state_of(start(), speech(), score(label=None, text=None)))
    assert "unsure (angry 70 %)" in text


def test_in_silence_the_rolling_state_fades_until_nobody_speaks() -> None:
    events = [start(), speech(), score(), silence()]

    def after(silent_s: float) -> str:
        left = rolling(8.0 * 0.5 ** (silent_s / HALF_LIFE_S))
        return drawn(state_of(*events, stats(3.0 + silent_s, rolling=left)))

    assert "nobody speaks (since 0:03); before that ▌angry 70 %" in after(1.0)
    assert "rolling, 50 % of its weight left" in after(10.0)
    assert after(10.0).count("█") < after(0.0).count("█")
    headline, bars = after(55.0).splitlines()[1], after(55.0).splitlines()[4:11]
    assert headline.strip() == "nobody speaks (since 0:03)"
    assert [bar.split() for bar in bars] == [[name, name] for name in EMOTIONS]


def test_the_last_minutes_are_the_mix_of_labels_by_speech() -> None:
    state = state_of(start(), score(0), score(1, label="happy"), score(2), score(3, label=None))
    assert "so far, 0:08 of speech: angry 50 %, happy 25 %, unsure 25 %" in drawn(state)


def test_a_revision_replaces_what_its_utterance_said() -> None:
    state = state_of(score(text="How are", final=False), score(revision=1, text="How are you?"))
    assert drawn(state).count("How are") == 1
    state.update(score(revision=0, text="late and old"))
    assert "late and old" not in drawn(state)


def test_the_course_shows_where_somebody_spoke() -> None:
    state = state_of(
        score(0, start=0.0, end=10.0, rolling=rolling(valence=1.0)),
        score(1, start=30.0, end=40.0, rolling=rolling(valence=-1.0)),
        stats(59.9),
    )
    heading, valence, _, axis = (text.plain for text in course(state, 14 + 60, 1, framed=True))
    assert "last 1:00" in heading
    assert valence[14:24] == "█" * 10
    assert valence[25:44].strip() == ""
    assert valence[44:54] == "▁" * 10
    assert axis.split() == ["-1:00", "-0:30", "now"]


def test_bars_of_the_course_hang_from_the_middle_when_unpleasant() -> None:
    state = state_of(score(0, start=0.0, end=60.0, rolling=rolling(valence=-1.0, arousal=0.5)), stats(59.9))
    upper, lower, above, _ = (text.plain[14:] for text in course(state, 14 + 60, 2, framed=False))
    assert set(upper) == {" "}
    assert set(lower) == {" "}, "drawn in reverse: full"
    assert set(above) == {"▄"}


# -- lost audio, the device, errors ---------------------------------------------------------------------


def test_losses_in_a_row_are_one_note() -> None:
    text = drawn(state_of(start(), gap(1.0, 1.5), gap(2.0, 3.0), stats(4.0, dropped=6000)))
    assert "0:01 1.50 s of audio lost (this machine was too slow)" in text
    assert text.count("of audio lost") == 1
    assert "lost 25.0 %" in text


def test_a_pause_is_no_loss() -> None:
    text = drawn(state_of(start(), gap(1.0, 4.0, "paused")))
    assert "paused for 3.0 s" in text
    assert "of audio lost" not in text


def test_a_device_that_came_back_is_back() -> None:
    state = state_of(start("USB microphone"), device("opened", 0.0), device("lost", 2.0))
    assert "USB microphone is lost (since 0:02)" in drawn(state).splitlines()[1]
    state.update(device("opened", 7.0))
    text = drawn(state)
    assert "USB microphone is back; it was away from 0:02 to 0:07" in text
    assert "is lost" not in text


def test_an_error_is_noted() -> None:
    error = Error(
        session="s", channel=0, time=3.0, message="subscriber f detached: ValueError: x", fatal=False
    )
    assert "! 0:03 subscriber f detached: ValueError: x" in drawn(state_of(start(), error), 80, 24)


def test_what_a_terminal_would_obey_is_not_written() -> None:
    text = drawn(state_of(start("\x1b[2Jcall.wav\n"), score(text="a\x1b[31mb\r\nc")))
    assert "\x1b" not in text
    assert "\r" not in text


# -- on a terminal --------------------------------------------------------------------------------------


def terminal(**changes: Any) -> Console:
    return Console(**{"file": io.StringIO(), "width": 80, "height": 24, "force_terminal": True, **changes})


def written(console: Console) -> str:
    return console.file.getvalue()  # type: ignore[attr-defined,no-any-return]


def test_it_takes_the_alternate_screen_and_leaves_a_summary() -> None:
    console = terminal(color_system=None)
    with LiveView(stats, console) as view:
        view.write(start())
        view.write(score())
        view.refresh()
        during = written(console)
    after = written(console)[len(during) :]
    assert during.startswith("\x1b[?1049h")
    assert "\x1b[?1049l" in after
    assert "\x1b[?25h" in after
    assert "call.wav: 0:03, 1 utterances, 2 scores" in after
    assert "this is number 0." in after


def test_a_resized_terminal_is_cleared_and_drawn_again() -> None:
    console = terminal()
    clear = "\x1b[2J"
    with LiveView(stats, console) as view:
        view.refresh()
        view.refresh()
        assert written(console).count(clear) == 1
        console.size = (60, 15)  # type: ignore[assignment]
        view.refresh()
        assert written(console).count(clear) == 2


def test_no_color_means_none() -> None:
    console = terminal(no_color=True)
    with LiveView(stats, console) as view:
        view.write(speech())
        view.write(score())
        view.refresh()
    assert "\x1b[31m" not in written(console)
    assert "\x1b[32m" not in written(console)


def test_without_a_terminal_only_the_summary_is_written() -> None:
    console = Console(file=io.StringIO(), width=80, height=24)
    with LiveView(stats, console) as view:
        view.write(start())
        view.write(score())
        view.refresh()
        assert written(console) == ""
    assert "this is number 0." in written(console)
    assert "\x1b" not in written(console)
