"""`stream-emo mood`: what its commands say and refuse; what they do is tested with their parts."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import soundfile

from stream_emo.cli.mood_entry import free_microphone
from stream_emo.config import Config
from stream_emo.mood.control import Answer, ControlServer, Request, Status
from stream_emo.mood.records import State
from stream_emo.mood.simulated import Life, records
from stream_emo.mood.store import Store
from stream_emo.types import SAMPLE_RATE, Samples
from tests.cli.program import invoked, one_line, stream_emo
from tests.mood.records import NOON, utterance

GROUP = ("start", "install", "uninstall", "pause", "resume", "status", "note", "today", "report", "open")
GROUP += ("export", "import", "erase", "enrol", "forget-voice", "entry")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the mood tracker keeps its data in these tests, with a month in it."""
    monkeypatch.setenv("STREAM_EMO_MOOD_FOLDER", str(tmp_path))
    with Store.open(tmp_path / "mood.sqlite3") as store:
        for record in records(Life(first=date.today() - timedelta(30), days=30, speech_h=0.3)):
            store.add(record)
    return tmp_path


@pytest.mark.parametrize("command", GROUP)
def test_every_command_explains_itself_with_an_example(command: str) -> None:
    code, text = invoked("mood", command, "--help")
    assert code == 0
    assert f"stream-emo mood {command}" in text
    assert all(len(line) <= 80 for line in text.splitlines() if "stream-emo" not in line)


def test_nothing_is_recorded_before_the_owner_has_agreed(tmp_path: Path) -> None:
    settings = {"STREAM_EMO_MOOD_FOLDER": str(tmp_path), "STREAM_EMO_MOOD_OWNER_ONLY": "false"}
    result = stream_emo("mood", "start", environment=settings)
    assert result.returncode == 2
    said = result.stderr.decode()
    assert "nobody has agreed yet" in said
    assert "Audio and words are not kept." in said
    assert "everybody" in said.lower()
    result = stream_emo("mood", "install", environment=settings)
    assert "first run stream-emo mood start" in one_line(result)


def test_where_nothing_runs_the_commands_say_so(folder: Path) -> None:
    for command in ("pause", "resume"):
        code, said = invoked("mood", command)
        assert (code, "it does not run" in said) == (1, True)
    assert invoked("mood", "status") == (1, "not running: stream-emo mood start\n")
    assert invoked("mood", "status", "--json") == (1, '{"state": "not running"}\n')


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["note"], "nothing to note"),
        (["erase"], "say what"),
        (["erase", "--all", "--before", "2026-01-01"], "say what"),
        (["erase", "--before", "yesterday"], "write a date"),
        (["export", "xml"], "'xml' is not one of csv, json, parquet"),
        (["pause", "soon"], "does not run"),
        (["forget-voice"], "no voice is enrolled"),
        (["enrol", "--more"], "no voice is enrolled"),
        (["start", "--agree"], "no voice is enrolled"),
        (["install"], "no voice is enrolled"),
    ],
)
def test_what_cannot_be_meant_is_said(folder: Path, arguments: list[str], says: str) -> None:
    code, said = invoked("mood", *arguments)
    assert code != 0
    assert says in said


def test_a_note_is_in_the_export_and_gone_after_erasing(folder: Path, tmp_path: Path) -> None:
    code, said = invoked("mood", "note", "a long walk", "--mood", "4")
    assert (code, "noted" in said) == (0, True)
    target = tmp_path / "out.json"
    assert invoked("mood", "export", "json", "--output", str(target))[0] == 0
    assert "a long walk" in target.read_text(encoding="utf-8")
    assert json.loads(target.read_text(encoding="utf-8"))
    code, said = invoked("mood", "erase", "--all", "--yes")
    assert (code, "erased" in said, "30 days" in said) == (0, True, True)
    assert b"a long walk" not in (folder / "mood.sqlite3").read_bytes()
    code, said = invoked("mood", "import", str(target))
    assert (code, "added" in said) == (0, True)
    assert invoked("mood", "report")[1].count("\n") > 10


def test_an_entry_that_cannot_be_kept_is_refused_before_it_is_spoken(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    code, said = invoked("mood", "entry", "missing.wav", "--set", f"mood.folder={tmp_path / 'file'}")
    assert (code, "mood.sqlite3: cannot be used" in said) == (2, True)


def test_after_erasing_all_a_service_that_still_runs_is_told(folder: Path) -> None:
    answer = Answer(status=Status(process=1, state="listening", since=datetime.now(UTC)))
    with ControlServer(folder, lambda request: answer):
        code, said = invoked("mood", "erase", "--all", "--yes")
    assert (code, "the service still runs" in said) == (0, True)
    assert "still runs" not in invoked("mood", "erase", "--all", "--yes")[1]


def test_reports_of_a_month_and_of_today(folder: Path, tmp_path: Path) -> None:
    html = tmp_path / "report.html"
    assert invoked("mood", "report", "--html", str(html))[0] == 0
    text = html.read_text(encoding="utf-8")
    assert text.startswith("<!DOCTYPE html>")
    assert "<script" not in text
    assert html.stat().st_mode & 0o77 == 0
    code, said = invoked("mood", "today")
    assert (code, "of your speech" in said) == (0, True)


def test_enrolling_from_a_file_and_forgetting(folder: Path, speech: Samples, tmp_path: Path) -> None:
    path = tmp_path / "me.wav"
    soundfile.write(path, np.tile(speech, 3), SAMPLE_RATE)
    code, said = invoked("mood", "enrol", str(path))
    assert (code, "enrolled from" in said) == (0, True)
    assert (folder / "voice.json").stat().st_mode & 0o77 == 0
    assert invoked("mood", "enrol", str(path), "--more")[0] == 0
    code, said = invoked("mood", "erase", "--all", "--yes")
    assert (code, "voice is erased, too" in said) == (0, True)
    assert not (folder / "voice.json").exists()


@pytest.mark.weights
def test_an_entry_is_kept_and_old_ones_go_without_a_service(
    folder: Path, speech: Samples, tmp_path: Path
) -> None:
    path = tmp_path / "entry.wav"
    soundfile.write(path, speech, SAMPLE_RATE)
    now = datetime.now(UTC)
    day = timedelta(days=1)
    with Store.open(folder / "mood.sqlite3") as store:
        store.add(utterance((now - 40 * day - NOON) / timedelta(minutes=1), text="old words"))
    code, said = invoked("mood", "entry", str(path))
    assert (code, "s of speech" in said) == (0, True)
    with Store.open(folder / "mood.sqlite3", mode="read") as store:
        kept = store.utterances(now - 100 * day, now + day)
    assert any(one.source == "entry" and one.at > now - day for one in kept)
    assert not any(one.text for one in kept)


@pytest.mark.parametrize("length", ["soon", "-5m", "0m", "90", "1d", "9999999999h"])
def test_a_pause_has_a_length(folder: Path, length: str) -> None:
    status = Status(process=1, state="listening", since=datetime.now(UTC))
    with ControlServer(folder, lambda request: Answer(status=status)):
        code, said = invoked("mood", "pause", "--", length)
    assert (code, "write a length such as 30m" in said) == (2, True)


@pytest.mark.parametrize("state", ["listening", "paused"])
def test_an_entry_pauses_the_service_and_leaves_a_pause_of_its_owner_alone(
    folder: Path, state: State
) -> None:
    asked: list[Request] = []

    def answer(request: Request) -> Answer:
        asked.append(request)
        return Answer(status=Status(process=1, state=state, since=datetime.now(UTC)))

    with ControlServer(folder, answer), free_microphone(Config.load(), "mic"):
        pass
    done = [request.do for request in asked if request.do != "status"]
    assert done == ([] if state == "paused" else ["pause", "resume"])
    assert all(request.until is not None for request in asked if request.do == "pause")
