from __future__ import annotations

import io

import pytest
from rich.console import Console

from stream_emo.events import Device, Event, Failure, Lost, Speech, Start
from stream_emo.publish.live_view import LiveView
from tests.events import STATS, make_score


def drawn(*events: Event, width: int = 100) -> str:
    console = Console(file=io.StringIO(), width=width, height=40, force_terminal=True, color_system=None)
    view = LiveView(lambda: STATS, console)
    for event in events:
        view.show(event)
    console.print(view.render())
    return console.file.getvalue()  # type: ignore[attr-defined,no-any-return]


def test_before_the_first_score_it_says_that_it_listens() -> None:
    text = drawn(Start("s", "2026-01-01T00:00:00+00:00", "call.wav"))
    assert "listening" in text
    assert "call.wav" in text
    assert "-30 dB" in text


def test_a_score_is_drawn_with_its_words_and_its_label() -> None:
    text = drawn(make_score())
    assert "70%" in text
    assert "00:01  angry      Où est-ce?" in text
    assert "-0.40" in text, "the valence of the rolling state"


def test_an_abstaining_score_is_unsure() -> None:
    assert "unsure" in drawn(make_score(label=None, text=None))


def test_a_revision_replaces_what_its_utterance_said() -> None:
    text = drawn(make_score(text="How are", final=False), make_score(text="How are you?"))
    assert text.count("How are") == 1


def test_only_the_last_utterances_stay() -> None:
    text = drawn(*(make_score(utterance=number, text=f"number {number}.") for number in range(20)))
    assert "number 19." in text
    assert "number 13." not in text


def test_losses_devices_and_failures_are_noted() -> None:
    text = drawn(
        Lost(1.0, 1.5, "overflow"), Device(2.0, "lost", "USB microphone"), Failure("it broke", fatal=True)
    )
    assert "0.50 s of audio lost (overflow)" in text
    assert "USB microphone: lost" in text
    assert "it broke" in text
    assert "lost 25.0%" in text


@pytest.mark.parametrize("width", [20, 60, 200])
def test_it_fits_any_terminal(width: int) -> None:
    text = drawn(Speech(0, 0.0), make_score(text="word " * 60), width=width)
    assert max(map(len, text.splitlines())) <= width


def test_it_draws_on_a_console_while_open() -> None:
    console = Console(file=io.StringIO(), width=80, height=30, force_terminal=True)
    with LiveView(lambda: STATS, console) as view:
        view.show(make_score())
        view.refresh()
    assert "angry" in console.file.getvalue()  # type: ignore[attr-defined]
