"""The mood tracker's page: who may see it, what it does."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from starlette.testclient import TestClient

from stream_emo.config import Config, changed
from stream_emo.mood.control import Answer, ControlServer, Request, Status
from stream_emo.mood.simulated import Life, records
from stream_emo.mood.store import Store
from stream_emo.mood.web import Page
from stream_emo.serve.run import listening_socket
from tests.serve.page_browser import launched, opened

PORT = 8123
ORIGIN = {"Origin": f"http://127.0.0.1:{PORT}"}


@pytest.fixture
def page(tmp_path: Path) -> Page:
    return Page(changed(Config(), {"mood.folder": str(tmp_path)}), token="secret")


@pytest.fixture
def client(page: Page) -> TestClient:
    return TestClient(page.app(PORT), base_url=f"http://127.0.0.1:{PORT}")


@pytest.fixture
def service(tmp_path: Path) -> Iterator[list[Request]]:
    """A service that obeys, and the requests that it got."""
    got: list[Request] = []
    state: list[Any] = ["listening"]

    def answer(request: Request) -> Answer:
        got.append(request)
        state[0] = {"pause": "paused", "resume": "listening"}.get(request.do, state[0])
        status = Status(
            process=1, state=state[0], since=datetime.now(UTC), microphone="USB", until=request.until
        )
        return Answer(status=status, counts={"utterance": 3} if request.do == "erase" else None)

    with ControlServer(tmp_path, answer):
        yield got


def admitted(client: TestClient) -> TestClient:
    client.get("/", params={"token": "secret"})
    return client


def test_the_token_moves_from_the_address_into_a_cookie(client: TestClient) -> None:
    assert client.get("/").status_code == 401
    assert client.get("/", params={"token": "guess"}).status_code == 401
    answer = client.get("/", params={"token": "secret"}, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert "HttpOnly; Path=/; SameSite=strict" in answer.headers["set-cookie"]
    assert client.get("/").status_code == 200


@pytest.mark.parametrize("path", ["/", "/page.js", "/api/status", "/nothing"])
def test_without_the_token_nothing_is_told(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 401
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")


def test_other_sites_cannot_use_it(client: TestClient) -> None:
    admitted(client)
    assert client.post("/api/pause", json={}).status_code == 403
    assert client.post("/api/pause", json={}, headers={"Origin": "https://evil.example"}).status_code == 403
    assert client.get("/", headers={"Host": "evil.example"}).status_code == 403


def test_it_pauses_and_resumes_the_service(client: TestClient, service: list[Request]) -> None:
    admitted(client)
    assert client.get("/api/status").json()["state"] == "listening"
    paused = client.post("/api/pause", json={"minutes": 30}, headers=ORIGIN).json()
    assert paused["state"] == "paused"
    until = next(request.until for request in service if request.do == "pause")
    assert until is not None
    assert timedelta(minutes=29) < until - datetime.now(UTC) <= timedelta(minutes=30)
    assert client.post("/api/resume", json={}, headers=ORIGIN).json()["state"] == "listening"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/pause", {"minutes": 1e300}),
        ("/api/pause", {"minutes": -5}),
        ("/api/pause", {"minutes": "long"}),
        ("/api/erase", {"before": "0001-01-01"}),
        ("/api/erase", {"before": "yesterday"}),
    ],
)
def test_what_cannot_be_meant_is_refused(
    client: TestClient, service: list[Request], path: str, body: dict[str, object]
) -> None:
    answer = admitted(client).post(path, json=body, headers=ORIGIN)
    assert answer.status_code == 400
    assert answer.json()["error"]
    assert service == []


@pytest.mark.parametrize(
    ("days", "shown"), [("7", 7), ("9999", 366), ("0", 30), ("-1", 30), ("9" * 5000, 30)]
)
def test_the_address_says_how_many_days_are_shown(client: TestClient, days: str, shown: int) -> None:
    text = admitted(client).get("/", params={"days": days}).text
    assert f'<main data-days="{shown}">' in text


def test_two_pages_can_be_open(client: TestClient, page: Page) -> None:
    """Browsers send a cookie to every port of a host, so that one page's must not be the other's."""
    other = TestClient(Page(Config(), token="other").app(PORT + 1), base_url=f"http://127.0.0.1:{PORT + 1}")
    other.get("/", params={"token": "other"})
    client.cookies = other.cookies
    admitted(client)
    assert client.get("/api/status").status_code == 200
    assert other.get("/api/status").status_code == 200


def test_without_a_service_it_says_so(client: TestClient) -> None:
    assert admitted(client).get("/api/status").json()["state"] == "not running"
    assert "Nothing yet" in client.get("/").text


def test_notes_are_kept_and_empty_ones_refused(client: TestClient, tmp_path: Path) -> None:
    admitted(client)
    assert client.post("/api/note", json={"mood": 4, "text": "<b>walk"}, headers=ORIGIN).status_code == 204
    for wrong in ({}, {"mood": 6}, {"text": "  "}, {"mood": "x"}):
        answer = client.post("/api/note", json=wrong, headers=ORIGIN)
        assert answer.status_code == 400
        assert answer.json()["error"]
    now = datetime.now(UTC)
    with Store.open(tmp_path / "mood.sqlite3", mode="read") as store:
        (note,) = store.notes(now - timedelta(hours=1), now + timedelta(hours=1))
    assert (note.mood, note.text) == (4, "<b>walk")
    assert "<b>walk" not in client.get("/").text


def test_it_erases_itself_or_through_the_service(
    client: TestClient, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    with Store.open(tmp_path / "mood.sqlite3") as store:
        for record in records(Life(first=date(2026, 1, 1), days=3)):
            store.add(record)
    admitted(client)
    (tmp_path / "voice.json").write_text("{}")
    erased = client.post("/api/erase", json={}, headers=ORIGIN).json()
    assert erased["utterance"] > 0
    assert erased["voice"] == 1
    assert not (tmp_path / "voice.json").exists()
    service = request.getfixturevalue("service")
    answer = client.post("/api/erase", json={"before": "2026-02-01"}, headers=ORIGIN)
    assert answer.json() == {"utterance": 3}
    before = service[-1].before
    assert before.astimezone().date() == date(2026, 2, 1)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    yield from launched()


@pytest.mark.browser
def test_the_page_in_a_browser(browser: Any, tmp_path: Path, service: list[Request]) -> None:
    """Its buttons work, in both themes and on a small screen, and an audit of accessibility finds nothing."""
    from axe_playwright_python.sync_playwright import Axe

    today = date.today()
    with Store.open(tmp_path / "mood.sqlite3") as store:
        for record in records(Life(first=today - timedelta(40), days=40, speech_h=0.5)):
            store.add(record)
    bound = listening_socket("127.0.0.1", 0)
    port = bound.getsockname()[1]
    page = Page(changed(Config(), {"mood.folder": str(tmp_path)}))
    server = uvicorn.Server(uvicorn.Config(page.app(port), log_level="warning", log_config=None))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
    thread.start()
    try:
        for theme, width in (("light", 1280), ("dark", 380)):
            with opened(
                browser, f"http://127.0.0.1:{port}/?token={page.token}", theme=theme, width=width
            ) as shown:
                shown.wait_for_selector("[data-state=listening]")
                assert "token" not in shown.url
                assert shown.evaluate("document.documentElement.scrollWidth") <= width
                assert Axe().run(shown).violations_count == 0
                shown.click("text=Pause for 30 min")
                shown.wait_for_selector("[data-state=paused]")
                shown.check("input[value='4']")
                shown.click("text=Note it")
                shown.wait_for_selector("#noted:has-text('Noted.')")
                shown.click("#resume")
                shown.wait_for_selector("[data-state=listening]")
                shown.click("#erase-all")
                shown.click("#sure-no")
    finally:
        server.should_exit = True
        thread.join()
    assert [request.do for request in service].count("pause") == 2
    assert not any(request.do == "erase" for request in service)
