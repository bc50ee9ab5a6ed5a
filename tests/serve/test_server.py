"""A real server: calls in over WebSockets, events and answers out."""

from __future__ import annotations

import json
import re
import shutil
import socket as sockets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import jsonschema
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin

import stream_emo
from stream_emo.client import Client, ServerError
from stream_emo.demo import CLIP
from stream_emo.events import Event, Gap, Score, Start, Stop, json_schema
from tests.serve.process import (
    Listener,
    ServerProcess,
    both_sides,
    closed,
    hang_up,
    open_call,
    over_sse,
    over_websocket,
    send_paced,
    speech,
)

pytestmark = pytest.mark.weights


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    options = ("--set", "serve.resume_s=3", "--set", "publish.stats_s=1")
    with ServerProcess(tmp_path_factory.mktemp("state"), *options) as server:
        yield server


def stopped(channels: int = 1) -> Callable[[list[Event]], bool]:
    return lambda events: sum(isinstance(event, Stop) for event in events) >= channels


def test_a_call_from_its_first_sample_to_its_summary(server: ServerProcess) -> None:
    with (
        Client(server.url) as client,
        Listener(over_sse(server)) as sse,
        Listener(over_websocket(server)) as websocket,
    ):
        with open_call(server, "call-1", ("agent", "customer")) as producer:
            send_paced(producer, both_sides(speech(4.5)), channels=2)
            item = client.item("call-1")
            assert item.live
            assert [(each.role, each.scored) for each in item.channels] == [
                ("agent", False),
                ("customer", True),
            ]
            assert hang_up(producer) == "stopped by the sender"
        events = sse.wait(stopped(2))
        assert websocket.wait(stopped(2)) == events
        for channel in (0, 1):
            own = [event for event in events if event.channel == channel]
            assert [event.seq for event in own] == list(range(len(own)))
            assert isinstance(own[0], Start)
        finals = [event for event in events if isinstance(event, Score) and event.final]
        assert [final.channel for final in finals] == [1]
        check_what_is_kept(server, client, "call-1", finals[0])


def check_what_is_kept(server: ServerProcess, client: Client, call: str, final: Score) -> None:
    timeline = client.timeline(call)
    assert final in timeline.events
    assert timeline.call.ended_reason == "stopped by the sender"
    assert client.summary(call).channels[1].utterances == 1
    assert client.note(call, "rang twice").text == "rang twice"
    assert [note.text for note in client.item(call).notes] == ["rang twice"]
    with Listener(over_websocket(server, after=0)) as before:
        assert any(event.session == call for event in before.events)
    client.erase(call)
    with pytest.raises(ServerError, match="404"):
        client.item(call)
    with Listener(over_websocket(server, after=0)) as after:
        assert not any(event.session == call for event in after.events)


def test_a_score_is_explained_while_the_call_is_live_and_after_its_end(server: ServerProcess) -> None:
    address = f"{server.url}/api/calls/explained/explain"

    def asked(channel: object, time: object) -> httpx.Response:
        return httpx.post(address, json={"channel": channel, "time": time}, timeout=20)

    with Listener(over_websocket(server)) as listener, open_call(server, "explained") as producer:
        assert asked(0, 1.0).status_code in (404, 409)
        send_paced(producer, speech(4.5))
        final = next(
            event
            for event in listener.wait(lambda events: any(isinstance(e, Score) and e.final for e in events))
            if isinstance(event, Score) and event.final
        )
        while_live = asked(0, final.start + 0.5)
        hang_up(producer)
        listener.wait(stopped())
    after = asked(0, final.start + 0.5)
    assert (while_live.status_code, after.status_code) == (200, 200)
    assert while_live.json() == after.json()
    assert after.json()["utterance"] == final.utterance
    assert [word["text"] for word in after.json()["words"]]
    assert any(stretch["weight"] for stretch in after.json()["audio"])
    for channel, at, status in (
        (0, 1e9, 409),
        (7, 1.0, 409),
        (-1, 1.0, 409),
        ("x", 1.0, 400),
        (0, None, 400),
    ):
        assert asked(channel, at).status_code == status
    assert httpx.post(address.replace("explained", "no-such-call"), json={}).status_code == 404
    assert httpx.delete(address.removesuffix("/explain")).status_code == 204
    assert asked(0, final.start + 0.5).status_code == 404


@pytest.mark.parametrize(
    "call", ["a/b", "a?b", "a%b", "a b", "naïve", "电话", "", "x" * 129, "-a", "a\nb", ".."]
)
def test_an_unfit_call_id_is_refused_by_every_way_in_with_one_reason(
    server: ServerProcess, call: str
) -> None:
    rule = "call id: must be 1 to 128 letters a-z, digits or ._:@+-, a letter or digit first"
    start = {"type": "start", "call": call}
    vonage = {"event": "websocket:connected", "content-type": "audio/l16;rate=16000", "call": call}
    for path, message in (("/audio", start), ("/vonage", vonage)):
        with connect(server.ws + path, compression=None) as producer:
            producer.send(json.dumps(message))
            assert rule in closed(producer)
    with Client(server.url) as client:
        with pytest.raises(ServerError, match="call id: must be"), client.call(call, rate=16_000):
            time.sleep(0.3)
        if call != "..":  # The client of HTTP takes that for another address.
            with pytest.raises(ServerError, match="call id: must be"):
                client.item(call)


def test_a_call_id_of_every_allowed_character_works(server: ServerProcess) -> None:
    call = "Az09._:@+-" + "x" * 118
    with Client(server.url) as client, Listener(over_websocket(server)) as listener:
        with client.call(call, rate=16_000) as audio:
            audio.send(bytes(32_000))
        listener.wait(stopped())
        assert client.timeline(call).call.id == call
        assert client.note(call, "long").text == "long"
        assert next(iter(client.events(call, after=0))).session == call
        client.erase(call)


def test_a_producer_that_comes_back_goes_on_in_the_same_session(server: ServerProcess) -> None:
    audio = speech(4.0)
    with Listener(over_websocket(server)) as listener:
        with open_call(server, "call-2") as first:
            send_paced(first, audio[: len(audio) // 2])
            first.socket.shutdown(sockets.SHUT_RDWR)  # As when the network breaks.
        time.sleep(1.0)
        with open_call(server, "call-2") as second:
            send_paced(second, audio[len(audio) // 2 :])
            hang_up(second)
        events = listener.wait(stopped())
    assert sum(isinstance(event, Start) for event in events) == 1
    assert [event.seq for event in events] == list(range(len(events)))
    gaps = [event for event in events if isinstance(event, Gap)]
    assert sum(gap.end - gap.start for gap in gaps) == pytest.approx(1.0, abs=0.5)
    assert events[-1].time == pytest.approx(5.0, abs=0.7)


def test_a_call_whose_producer_stays_away_ends(server: ServerProcess) -> None:
    with open_call(server, "call-3") as producer:
        send_paced(producer, speech(0.5))
    deadline = time.monotonic() + 10
    while (item := server.get("/api/calls/call-3").json())["live"]:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert item["ended_reason"] == "the producer was lost"


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("{}", "type"),
        ('{"type": "start", "rate": 1}', "rate"),
        ('{"type": "start", "config": {"speech.model": "/etc/passwd"}}', "speech.model"),
        ('{"type": "start", "config": {"gate.threshold": 7}}', "gate.threshold"),
        ('{"type": "start", "call": "../../etc"}', "call id"),
        ('{"type": "start", "roles": ["agent"]}', "nobody may be scored"),
        (b"\0\0", "before the start"),
    ],
)
def test_what_is_wrong_with_a_start_is_said(server: ServerProcess, message: str | bytes, reason: str) -> None:
    with connect(f"{server.ws}/audio") as socket:
        socket.send(message)
        assert reason in closed(socket)


def test_a_call_has_one_producer(server: ServerProcess) -> None:
    with open_call(server, "call-4") as first:
        send_paced(first, speech(0.2))
        with open_call(server, "call-4") as second:
            assert "connected already" in closed(second)
        with open_call(server, "call-4", ("agent", "customer")) as other:
            assert "go on with the same" in closed(other)
        hang_up(first)


def test_an_uploaded_recording_becomes_a_call(server: ServerProcess) -> None:
    with Client(server.url) as client:
        call = client.upload(CLIP)
        deadline = time.monotonic() + 60
        while client.item(call).live:
            assert time.monotonic() < deadline
            time.sleep(0.2)
        summary = client.summary(call)
        assert summary.channels[0].utterances >= 5
        assert summary.duration_s == pytest.approx(24.1, abs=0.2)
        assert summary.ended_reason == "end of the recording"


def test_what_is_no_recording_is_refused(server: ServerProcess, tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not audio")
    with Client(server.url) as client:
        with pytest.raises(ServerError, match="422: the recording"):
            client.upload(path)
        with pytest.raises(ServerError, match="agent=0"):
            client.upload(path, roles="agent:0")


def test_machines_can_read_what_there_is(server: ServerProcess) -> None:
    assert server.get("/healthz").json() == {"status": "alive"}
    assert server.get("/readyz").json()["status"] == "ready"
    assert server.get("/schema.json").json() == json.loads(json.dumps(json_schema()))
    metrics = server.get("/metrics").text
    assert 'stream_emo_events_total{type="start"}' in metrics
    described = server.get("/openapi.json").json()
    assert described["openapi"].startswith("3.1")
    schema = {**described["components"]["schemas"]["CallItem"], "components": described["components"]}
    for item in server.get("/api/calls").json():
        jsonschema.validate(item, schema)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/calls/none", 404),
        ("GET", "/api/calls/none/events", 404),
        ("GET", "/api/events?after=x", 400),
        ("DELETE", "/api/calls/none", 404),
        ("PUT", "/api/calls", 405),
    ],
)
def test_requests_that_fail_say_why(server: ServerProcess, method: str, path: str, status: int) -> None:
    assert httpx.request(method, server.url + path).status_code == status


def test_other_sites_cannot_reach_it_through_a_browser(server: ServerProcess) -> None:
    evil = {"Origin": "https://evil.example"}
    assert httpx.post(f"{server.url}/api/calls/x/notes", headers=evil).status_code == 403
    assert httpx.get(f"{server.url}/api/calls", headers={"Host": "evil.example"}).status_code == 403
    for path in ("/audio", "/api/events/ws", "/twilio"):
        with (
            pytest.raises(InvalidStatus, match="403"),
            connect(f"{server.ws}{path}", origin=Origin("https://evil.example")),
        ):
            pass
    with connect(f"{server.ws}/audio", origin=Origin(server.url)):
        pass


def test_a_browser_is_told_what_the_page_may_do(server: ServerProcess) -> None:
    headers = server.get("/").headers
    assert "default-src 'self'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert "server" not in headers


README = (Path(stream_emo.__file__).parents[1] / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("language", "command"),
    [("py", [sys.executable, "-u", "-c"]), ("js", ["node", "--input-type=module", "-e"])],
)
def test_the_examples_of_the_readme_show_what_happens(
    server: ServerProcess, language: str, command: list[str]
) -> None:
    if shutil.which(command[0]) is None:
        pytest.skip(f"needs {command[0]}")
    example = re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)[0]
    program = [*command, example.replace("http://127.0.0.1:8765", server.url)]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as process:
        time.sleep(2)
        with open_call(server, f"readme-{language}") as producer:
            send_paced(producer, speech(4.5))
            hang_up(producer)
        time.sleep(1)
        process.kill()
        assert process.stdout is not None
        assert "The meeting starts" in process.stdout.read()


def test_the_example_of_the_readme_brings_a_call(server: ServerProcess) -> None:
    _, example = re.findall(r"```py\n(.*?)```", README, re.DOTALL)
    program = [sys.executable, "-c", example.replace("http://127.0.0.1:8765", server.url)]
    silence = b"\xff" * 2 * 8000  # 1 s of both sides
    done = subprocess.run(program, input=silence, capture_output=True, timeout=60, check=True)
    assert b"Summary(id='line-7'" in done.stdout
    assert b"stopped by the sender" in done.stdout


def test_nothing_that_is_said_is_logged(server: ServerProcess) -> None:
    assert all("listening on" in line for line in server.said), server.said
