"""The page in a browser, over a server of composed calls."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from stream_emo.events import decode
from tests.serve.page_browser import launched, opened
from tests.serve.page_script import composed, start_time
from tests.serve.page_server import ScriptedCall, busy, serving

pytestmark = pytest.mark.browser

FAKE_MICROPHONE = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
ANGRY = 2
"""Index of the first busy call whose customer is angry from the start."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    yield from launched(*FAKE_MICROPHONE)


def test_list_shows_who_needs_attention_first(browser: Any) -> None:
    with serving(busy(6)) as (address, _), opened(browser, address) as page:
        rows = page.locator(".calls .call")
        rows.first.wait_for()
        assert "Needs attention" in rows.first.inner_text()
        assert "Getting angry" in rows.first.inner_text()
        assert page.title().startswith("(1) Calls")
        assert page.get_by_label("Calls that ended").locator("li").count() == 1
        page.keyboard.press("j")
        page.keyboard.press("Enter")
        page.wait_for_selector(".call-grid")
        assert page.locator("h1").inner_text() == "desk-03"


def test_a_call_goes_on_while_it_is_watched(browser: Any) -> None:
    with (
        serving([ScriptedCall("one", 60, 600)]) as (address, _),
        opened(browser, f"{address}#/call/one") as page,
    ):
        page.wait_for_selector(".utterance .text")
        before = page.locator(".call-head .soft").inner_text()
        page.wait_for_function(
            "before => document.querySelector('.call-head .soft').textContent !== before", arg=before
        )


def test_pause_holds_the_picture_and_live_follows_again(browser: Any) -> None:
    with (
        serving([ScriptedCall("one", 200, 600)]) as (address, _),
        opened(browser, f"{address}#/call/one") as page,
    ):
        page.wait_for_selector(".utterance .text")
        page.keyboard.press(" ")
        assert page.locator(".play").inner_text() == "Go live"
        when = page.locator(".when").inner_text()
        page.wait_for_timeout(2500)
        assert page.locator(".when").inner_text() == when
        page.keyboard.press("l")
        assert page.locator(".play").inner_text() == "Pause"


def test_scrubbing_chooses_utterance_and_state_of_that_moment(browser: Any) -> None:
    with (
        serving([ScriptedCall("one", 400, 400)]) as (address, _),
        opened(browser, f"{address}#/call/one") as page,
    ):
        page.wait_for_selector(".utterance .text")
        page.locator(".emotion-chart .u-over").click(position={"x": 60, "y": 40})
        chosen = page.locator(".utterance[aria-current]")
        chosen.wait_for()
        assert page.locator("#moment-title").inner_text() == "Chosen utterance"
        before = page.locator("#state-title").inner_text()
        assert re.fullmatch(r"Customer at \d:\d\d", before)
        page.keyboard.press("ArrowRight")
        assert page.locator("#state-title").inner_text() != before
        page.locator(".scrub input").focus()
        page.keyboard.press("Home")
        assert page.locator("#state-title").inner_text() == "Customer at 0:00"


def test_explanation_names_words_and_stretches(browser: Any) -> None:
    with (
        serving([ScriptedCall("one", 400, 400)]) as (address, _),
        opened(browser, f"{address}#/call/one") as page,
    ):
        page.get_by_role("button", name="Explain this score").click()
        assert page.locator("#moment-title").inner_text() == "Chosen utterance"
        page.wait_for_selector(".explanation mark")
        assert page.locator(".explanation mark[data-strength='3']").inner_text() == "ridiculous"
        assert page.locator(".explanation mark[data-against='true']").inner_text() == "please"
        assert "speaks most for angry" in page.locator(".stretches").get_attribute("aria-label")


def test_a_note_is_kept(browser: Any) -> None:
    with (
        serving([ScriptedCall("one", 100, 400)]) as (address, server),
        opened(browser, f"{address}#/call/one") as page,
    ):
        page.get_by_label("New note").fill("Promised a call back.")
        page.get_by_role("button", name="Add note").click()
        page.wait_for_selector(".notes li")
        assert server.calls["one"].notes[0]["text"] == "Promised a call back."


def test_erasing_asks_first(browser: Any) -> None:
    with (
        serving([ScriptedCall("one", 400, 400)]) as (address, server),
        opened(browser, f"{address}#/call/one") as page,
    ):
        page.get_by_role("button", name="Erase").click()
        page.get_by_role("button", name="Cancel").click()
        assert "one" in server.calls
        page.get_by_role("button", name="Erase").click()
        page.locator("dialog").get_by_role("button", name="Erase").click()
        page.wait_for_url(re.compile("#/$"))
        assert not server.calls


def test_stated_purpose_is_shown(browser: Any) -> None:
    call = ScriptedCall("one", 100, 400)
    call.purpose = "Safety of emergency operators"
    with serving([call]) as (address, _), opened(browser, f"{address}#/call/one") as page:
        note = page.locator(".purpose-note")
        note.wait_for()
        assert "Safety of emergency operators" in note.inner_text()


def test_summary_of_an_ended_call_prints(browser: Any) -> None:
    with (
        serving([ScriptedCall("one", 400, 400)]) as (address, _),
        opened(browser, f"{address}#/summary/one") as page,
    ):
        page.wait_for_selector(".plain li")
        shown = page.locator("main").inner_text()
        assert "Least pleasant" in shown
        assert "Getting angry" in shown
        page.emulate_media(media="print")
        assert not page.get_by_role("button", name="Print").is_visible()
        assert len(page.pdf()) > 10_000


def test_paper_is_white_in_the_dark_theme_too(browser: Any) -> None:
    colour = """() => {
        const canvas = document.querySelector('[data-chart^="emotion"] canvas');
        const pixel = canvas.getContext("2d").getImageData(canvas.width / 4, 30, 1, 1).data;
        return [pixel[0], canvas.width];
    }"""
    with (
        serving([ScriptedCall("one", 400, 400)]) as (address, _),
        opened(browser, f"{address}#/summary/one", theme="dark") as page,
    ):
        page.wait_for_selector(".plain li")
        page.wait_for_timeout(200)
        dark, wide = page.evaluate(colour)
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        page.wait_for_timeout(200)
        light, narrow = page.evaluate(colour)
        page.evaluate("dispatchEvent(new Event('afterprint'))")
        page.wait_for_timeout(200)
        assert page.evaluate(colour) == [dark, wide]
    assert dark < 100 < 200 < light
    assert narrow < 680 < wide


def test_an_unknown_call_says_so(browser: Any) -> None:
    with serving([]) as (address, _):
        context = browser.new_context()
        page = context.new_page()
        page.goto(f"{address}#/call/nobody")
        page.get_by_text("There is no such call").wait_for()
        context.close()


def test_without_calls_the_page_says_how_to_begin(browser: Any) -> None:
    with serving([]) as (address, _), opened(browser, address) as page:
        page.get_by_text("No live calls").wait_for()
        assert "stream-emo serve --demo" in page.locator(".empty").inner_text()


def test_microphone_sends_pcm_and_stops(browser: Any) -> None:
    with (
        serving([]) as (address, server),
        opened(browser, f"{address}#/try", permissions=["microphone"]) as page,
    ):
        page.get_by_role("button", name="Use the microphone").click()
        page.wait_for_url(re.compile("#/call/microphone-"))
        page.wait_for_timeout(600)
        page.locator("#onair").get_by_role("button", name="Stop").click()
        page.locator("#onair").wait_for(state="hidden")
        page.wait_for_timeout(300)
    start = json.loads(server.heard[0])
    assert (start["type"], start["encoding"], start["channels"], start["roles"]) == (
        "start",
        "s16le",
        1,
        ["customer"],
    )
    blocks = [block for block in server.heard if isinstance(block, bytes)]
    assert len(blocks) > 5
    assert all(len(block) == 2 * round(start["rate"] * 0.04) for block in blocks)
    assert any(any(block) for block in blocks)
    assert json.loads(server.heard[-1]) == {"type": "stop"}


def test_a_recording_is_sent(browser: Any, tmp_path: Path) -> None:
    clip = tmp_path / "call.wav"
    clip.write_bytes(b"RIFF" + bytes(100))
    with (
        serving([ScriptedCall("one", 100, 400)]) as (address, server),
        opened(browser, f"{address}#/try") as page,
    ):
        page.get_by_label("File").set_input_files(clip)
        page.get_by_role("button", name="Analyse").click()
        page.wait_for_url(re.compile("#/call/one"))
        assert server.heard == [clip.read_bytes()]


def test_the_theme_is_kept(browser: Any) -> None:
    with serving([]) as (address, _), opened(browser, address) as page:
        page.get_by_label("Theme").select_option("dark")
        page.reload()
        assert page.locator("html").get_attribute("data-theme") == "dark"


def test_a_server_that_comes_back_is_followed_again(browser: Any) -> None:
    context = browser.new_context()
    page = context.new_page()
    connection = page.locator("#connection")
    with serving([ScriptedCall("one", 60, 600)]) as (address, _):
        page.goto(f"{address}#/call/one")
        page.wait_for_selector(".utterance .text")
        assert connection.inner_text() == "Live"
    page.locator("#connection[data-state=closed]").wait_for()
    with serving([ScriptedCall("one", 90, 600)], port=int(address.split(":")[2].strip("/"))):
        page.locator("#connection[data-state=open]").wait_for()
        before = page.locator(".call-head .soft").inner_text()
        page.wait_for_function(
            "before => document.querySelector('.call-head .soft').textContent !== before", arg=before
        )
    context.close()


def test_a_page_out_of_sight_gives_its_connection_back(browser: Any) -> None:
    """A browser allows six to a server over HTTP/1.1: with more tabs open, the next would wait for ever."""
    see = """state => {
        Object.defineProperty(document, "visibilityState", { value: state, configurable: true });
        document.dispatchEvent(new Event("visibilitychange"));
    }"""
    with serving([ScriptedCall("one", 60, 600)]) as (address, server):
        context = browser.new_context()
        page = context.new_page()
        page.clock.install()
        page.goto(address)
        page.locator("#connection[data-state=open]").wait_for()
        assert server.followers == 1
        page.evaluate(see, "hidden")
        page.clock.fast_forward(30_000)
        _until(lambda: server.followers == 0)
        page.evaluate(see, "visible")
        _until(lambda: server.followers == 1)
        context.close()


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_token_is_asked_for_and_stated(browser: Any) -> None:
    with serving(busy(2)) as (address, server):
        server.token = "right"
        context = browser.new_context()
        page = context.new_page()
        page.goto(address)
        page.locator("#token").fill("right")
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_selector(".calls .call")
        page.locator("#connection[data-state=open]").wait_for()
        context.close()


def test_two_scored_sides_can_be_shown_in_turn(browser: Any) -> None:
    call = ScriptedCall("one", 300, 300)
    for event in list(call.events):
        if event["type"] == "start":
            event["scored"] = True
        elif event["type"] == "score":
            call.events.append({**event, "channel": 0, "rolling": {**event["rolling"], "label": "happy"}})
    with serving([call]) as (address, _), opened(browser, f"{address}#/call/one") as page:
        page.wait_for_selector(".utterance .text")
        assert page.locator("#state-title").inner_text() == "Customer at the end"
        page.locator(".view-call > .spans label", has_text="Agent").click()
        assert page.locator("#state-title").inner_text() == "Agent at the end"
        assert page.locator(".now .label").inner_text() == "Happy"


@pytest.mark.parametrize("width", [380, 768, 1440])
def test_nothing_is_wider_than_the_window(browser: Any, width: int) -> None:
    with serving(busy(4)) as (address, _), opened(browser, address, width=width) as page:
        for route in ("#/", "#/wall", "#/call/desk-03", "#/summary/desk-20", "#/try"):
            page.goto(address + route)
            page.wait_for_timeout(500)
            assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, route


def test_a_model_of_a_call_is_the_same_in_any_order_and_twice(browser: Any) -> None:
    """Events come from the timeline and from the stream, which overlap."""
    events = composed("one", 300, seed=5)
    fold = """async ([events, order]) => {
        const { CallModel } = await import("/model.js");
        const model = new CallModel("one");
        for (const index of order) model.fold(events[index]);
        const side = model.channel(1);
        return JSON.stringify([
            [...side.utterances.keys()].sort(), side.turns, model.alerts.map((a) => [a.time, a.until]),
            side.course.times.length, side.course.at(200),
        ]);
    }"""
    straight = list(range(len(events)))
    with serving([]) as (address, _), opened(browser, address) as page:
        once, twice = (
            page.evaluate(fold, [events, order]) for order in (straight, [*straight[150:], *straight])
        )
    assert once == twice


def test_what_is_said_is_shown_as_text(browser: Any) -> None:
    markup = "<img src=x onerror=alert(1)><b>bold</b>"
    call = ScriptedCall("<i>one", 300, 300)
    for event in call.events:
        if event["type"] == "score":
            event["text"] = markup
        elif event["type"] == "alert":
            event["hint"] = markup
    with serving([call]) as (address, _), opened(browser, address) as page:
        page.locator(".calls .call a").click()
        page.wait_for_selector(".plain li")
        assert page.locator(".plain li[data-side=scored]").first.inner_text().count(markup) == 1
        assert page.locator("h1").inner_text() == "Summary of call <i>one"
        assert page.locator("main img, main b, main i").count() == 0


def test_composed_events_are_events() -> None:
    for event in composed("one", 200):
        decoded = decode(json.dumps({**event, "started_at": start_time(0)}))
        assert decoded.session == "one"


def test_no_file_of_the_page_lies_where_a_token_is_asked_for() -> None:
    folder = Path(str(files("stream_emo.serve") / "page"))
    private = ("api", "audio", "metrics", "schema.json", "openapi.json", "twilio", "genesys", "vonage")
    assert not [path.name for path in folder.iterdir() if path.name.startswith(private)]


def test_all_modules_are_asked_for_at_once() -> None:
    """Else the browser learns of a module only when the one that imports it has arrived."""
    folder = Path(str(files("stream_emo.serve") / "page"))
    named = re.findall(r'(?:modulepreload" href|src)="([^"]+\.js)"', (folder / "index.html").read_text())
    there = {str(path.relative_to(folder)) for path in folder.rglob("*.js")}
    assert sorted(named) == sorted(there - {"recorder.js"})


def test_page_weighs_less_than_300_kb() -> None:
    folder = Path(str(files("stream_emo.serve") / "page"))
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < 300_000
