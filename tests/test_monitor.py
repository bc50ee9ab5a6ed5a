"""The monitor on the real models; the speech is the clip that the project made."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import soundfile

from stream_emo import Config, Engine, Monitor, PushSource, Score, events
from stream_emo.demo import CLIP
from stream_emo.errors import (
    ConfigError,
    PipelineError,
    SourceError,
    StreamEmoError,
    StuckError,
    WeightsError,
)
from stream_emo.events import Device, Error, Event, Silence, Speech, Start, Stop
from stream_emo.types import SAMPLE_RATE, DeviceChange, Gap, Samples, SourceItem
from tests.events import comparable
from tests.sources import ListSource, chunks

pytestmark = pytest.mark.weights


@pytest.fixture(scope="module")
def expected(engine: Engine, speech: Samples) -> list[Score]:
    """What the speech scores, given in blocks of 20 ms."""
    return scored(Monitor(Config(), ListSource(chunks(speech, 320)), engine=engine))


def scored(monitor: Monitor) -> list[Score]:
    """The scores, without what depends on the run."""
    scores = [comparable(score) for score in monitor]
    return [score for score in scores if isinstance(score, Score)]


def everything(monitor: Monitor) -> list[Event]:
    with monitor, monitor.events() as events:
        monitor.start()
        return list(events)


def finals(scores: list[Score]) -> list[Score]:
    return [score for score in scores if score.final]


def test_words_and_scores_come_out(expected: list[Score]) -> None:
    one, two = finals(expected)
    assert "meeting" in (one.text or "").lower()
    assert "job" in (two.text or "").lower()
    assert one.audio_weight + one.text_weight == pytest.approx(1)
    assert sum(two.probabilities.values()) == pytest.approx(1, abs=5e-4)  # Each is rounded to 4 decimals.
    assert two.start <= two.words[0].start < two.words[-1].end <= two.end
    assert two.label is None or two.probabilities[two.label] == two.confidence


def test_revisions_count_up_and_exactly_the_last_is_final(expected: list[Score]) -> None:
    for utterance in {score.utterance for score in expected}:
        own = [score for score in expected if score.utterance == utterance]
        assert [score.revision for score in own] == list(range(len(own)))
        assert [score.final for score in own] == [False] * (len(own) - 1) + [True]


def test_the_first_score_needs_little_audio(engine: Engine, speech: Samples) -> None:
    received = everything(Monitor(Config(), ListSource(chunks(speech, 320)), engine=engine))
    onset = next(event.time for event in received if isinstance(event, Speech))
    first = next(event for event in received if isinstance(event, Score))
    assert first.end - onset <= 1.2


@pytest.mark.parametrize("size", [160, 512, 4096, 10**9])
def test_block_size_changes_nothing(
    engine: Engine, speech: Samples, expected: list[Score], size: int
) -> None:
    assert scored(Monitor(Config(), ListSource(chunks(speech, size)), engine=engine)) == expected


def test_sample_by_sample_changes_nothing(engine: Engine, speech: Samples) -> None:
    short = speech[: 3 * SAMPLE_RATE]
    whole, single = (
        scored(Monitor(Config(), ListSource(chunks(short, size)), engine=engine)) for size in (4096, 1)
    )
    assert whole
    assert single == whole


def test_a_live_run_scores_as_a_file_run(
    engine: Engine, speech: Samples, expected: list[Score], tmp_path: object
) -> None:
    path = f"{tmp_path}/speech.wav"
    soundfile.write(path, speech, SAMPLE_RATE, subtype="FLOAT")
    live = Monitor(Config(), path, engine=engine, realtime=True)
    assert scored(live) == expected
    stats = live.stats()
    assert (stats.offered, stats.dropped, stats.skipped_transcripts, stats.skipped_scores) == (
        len(speech),
        0,
        0,
        0,
    )


def test_live_scores_say_how_old_they_are(engine: Engine, speech: Samples) -> None:
    scores = list(Monitor(Config(), CLIP, engine=engine))
    assert all(score.latency_ms is None for score in scores)


def test_events_come_in_order(engine: Engine, speech: Samples) -> None:
    received = everything(Monitor(Config(), ListSource(chunks(speech, 4096)), engine=engine))
    assert isinstance(received[0], Start)
    assert isinstance(received[-1], Stop)
    assert received[-1].reason == "end"
    kinds = [type(event) for event in received if isinstance(event, Speech | Silence)]
    assert kinds == [Speech, Silence, Speech, Silence]
    stats = received[-1].stats
    assert stats.offered == stats.taken + stats.dropped + stats.queued == len(speech)
    assert stats.scores == sum(isinstance(event, Score) for event in received)


def test_lost_audio_and_devices_travel_with_the_audio(engine: Engine, speech: Samples) -> None:
    cut, lost = 4 * SAMPLE_RATE, SAMPLE_RATE
    items = [
        DeviceChange(0, "opened", "test microphone"),
        *chunks(speech[:cut], 512),
        Gap(cut, cut + lost, "overflow"),
        *chunks(speech[cut + lost :], 512, start=cut + lost),
    ]
    received = everything(Monitor(Config(), ListSource(items), engine=engine))
    scores = [event for event in received if isinstance(event, Score)]
    gaps = [(gap.start, gap.end, gap.reason) for gap in received if isinstance(gap, events.Gap)]
    assert gaps == [(4.0, 5.0, "overflow")]
    assert scores[0].dropped_ms == 0
    assert scores[-1].dropped_ms == 1000


def test_a_pause_ends_who_is_speaking_at_once_and_loses_nothing(engine: Engine, speech: Samples) -> None:
    at = 2 * SAMPLE_RATE
    items = [
        DeviceChange(0, "opened", "test microphone"),
        *chunks(speech[:at], 512),
        DeviceChange(at, "paused", "test microphone"),
        Gap(at, 60 * at, "paused"),
        *chunks(speech[at:], 512, start=60 * at),
    ]
    received = everything(Monitor(Config(), ListSource(items), engine=engine))
    states = [event.state if isinstance(event, Device) else None for event in received]
    paused = states.index("paused")
    assert received[paused].time == 2.0
    final = next(event for event in received if isinstance(event, Score) and event.final)
    assert received.index(final) < paused
    assert final.end == 2.0
    gaps = [(gap.start, gap.end, gap.reason) for gap in received if isinstance(gap, events.Gap)]
    assert gaps == [(2.0, 120.0, "paused")]
    assert all(event.dropped_ms == 0 for event in received if isinstance(event, Score))


def test_silence_is_silent(engine: Engine) -> None:
    noise = np.random.default_rng(0).normal(0, 1e-4, 5 * SAMPLE_RATE).astype(np.float32)
    received = everything(Monitor(Config(), ListSource(chunks(noise, 512)), engine=engine))
    assert [type(event) for event in received] == [Start, Stop]


def test_subscribers_and_iteration_get_the_same(
    engine: Engine, speech: Samples, expected: list[Score]
) -> None:
    called: list[Score] = []
    with Monitor(Config(), ListSource(chunks(speech, 4096)), engine=engine) as monitor:
        monitor.subscribe(called.append)
        iterated = list(monitor)
    assert list(map(comparable, iterated)) == expected
    assert called == iterated


def test_asynchronous_iteration(engine: Engine, speech: Samples, expected: list[Score]) -> None:
    async def collect() -> list[Score]:
        monitor = Monitor(Config(), ListSource(chunks(speech, 4096)), engine=engine)
        return [score async for score in monitor]

    assert list(map(comparable, asyncio.run(collect()))) == expected


def test_leaving_early_ends_everything(engine: Engine, speech: Samples) -> None:
    source = ListSource(chunks(np.tile(speech, 20), 512))
    with Monitor(Config(), source, engine=engine) as monitor:
        first = next(iter(monitor))
    assert first.utterance == 0
    assert source.stopped
    assert source.closed == 1


def test_stopping_still_publishes_what_was_heard(engine: Engine, speech: Samples) -> None:
    pieces = chunks(speech, 512)
    source = ListSource(pieces)
    middle = len(pieces) // 4

    class StopsItself(ListSource):
        def __iter__(self):  # type: ignore[no-untyped-def]
            for number, item in enumerate(super().__iter__()):
                yield item
                if number == middle:
                    self.stop()

    source = StopsItself(pieces)
    received = everything(Monitor(Config(), source, engine=engine))
    assert [score.final for score in received if isinstance(score, Score)][-1]
    assert isinstance(received[-1], Stop)
    assert received[-1].reason == "closed"


def test_a_source_that_ends_badly_is_told_after_what_it_gave(
    engine: Engine, speech: Samples, expected: list[Score]
) -> None:
    source = ListSource(chunks(speech, 512), failure=SourceError("test: breaks off"))
    with Monitor(Config(), source, engine=engine) as monitor, monitor.events() as events:
        monitor.start()
        received = list(events)
        with pytest.raises(SourceError, match="breaks off"):
            monitor.wait()
    assert [comparable(event) for event in received if isinstance(event, Score)] == expected
    error, stop = received[-2:]
    assert isinstance(error, Error)
    assert (error.message, error.fatal) == ("test: breaks off", True)
    assert isinstance(stop, Stop)
    assert stop.reason == "failed"


def test_an_unforeseen_failure_stops_the_pipeline_and_reaches_the_caller(
    engine: Engine, speech: Samples
) -> None:
    source = ListSource(chunks(speech, 512), failure=ZeroDivisionError("boom"))
    with pytest.raises(PipelineError, match="ZeroDivisionError: boom") as error:
        list(Monitor(Config(), source, engine=engine))
    assert isinstance(error.value.__cause__, ZeroDivisionError)


def test_a_callback_may_close_the_monitor(engine: Engine, speech: Samples) -> None:
    with Monitor(Config(), ListSource(chunks(np.tile(speech, 5), 512)), engine=engine) as monitor:
        closed = threading.Event()

        def close(score: Score) -> None:
            monitor.close()
            closed.set()

        monitor.subscribe(close)
        monitor.wait()
        assert closed.wait(5)


@pytest.mark.parametrize("use", [Monitor.events, Monitor.stats, Monitor.start])
def test_a_monitor_that_is_not_open_says_so(use: Callable[[Monitor], object]) -> None:
    with pytest.raises(PipelineError, match="not open"):
        use(Monitor(Config(), ListSource([])))


def test_a_monitor_serves_one_session(engine: Engine) -> None:
    monitor = Monitor(Config(), ListSource([]), engine=engine)
    list(monitor)
    with pytest.raises(PipelineError, match="already used"):
        list(monitor)


def test_without_words_the_voice_alone_is_scored(speech: Samples) -> None:
    config = Config.load(environment={}, overrides=["speech.text=false"])
    scores = list(Monitor(config, ListSource(chunks(speech, 512))))
    assert {score.text for score in scores} == {None}
    assert {score.text_weight for score in scores} == {0.0}


@pytest.mark.parametrize("key", ["speech.model", "speech.text_model", "fusion.checkpoint"])
def test_missing_weights_are_one_clear_error(key: str, tmp_path: object) -> None:
    config = Config.load(environment={}, overrides=[f"{key}={tmp_path}"])
    with pytest.raises(WeightsError, match=str(tmp_path)) as error:
        list(Monitor(config, ListSource([])))
    assert "\n" not in str(error.value)
    assert isinstance(error.value, StreamEmoError)


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt()])
def test_leaving_from_a_callback_ends_the_session_and_reaches_the_caller(
    engine: Engine, speech: Samples, error: BaseException
) -> None:
    """With a queue of one event, which would fill if nobody took what follows."""
    config = Config.load(environment={}, overrides=["publish.queue=1"])

    def leave(score: Score) -> None:
        raise error

    def run() -> None:
        with Monitor(config, ListSource(chunks(np.tile(speech, 3), 512)), engine=engine) as monitor:
            monitor.subscribe(leave)
            monitor.wait()

    with pytest.raises(type(error)):
        run()


def test_a_failing_callback_is_reported_and_the_session_goes_on(
    engine: Engine, speech: Samples, expected: list[Score]
) -> None:
    def broken(score: Score) -> None:
        raise KeyError("no such\nthing")

    with Monitor(Config(), ListSource(chunks(speech, 512)), engine=engine) as monitor:
        monitor.subscribe(broken)
        with monitor.events() as reader:
            monitor.start()
            received = list(reader)
        monitor.wait()
    assert [comparable(event) for event in received if isinstance(event, Score)] == expected
    (report,) = (event for event in received if isinstance(event, Error))
    assert not report.fatal
    assert "broken detached: KeyError: 'no such" in report.message
    assert "\n" not in report.message


def test_a_sink_gets_every_event_and_is_closed(engine: Engine, speech: Samples) -> None:
    class Recorder:
        name = "recorder"

        def __init__(self) -> None:
            self.received: list[Event] = []
            self.closed = 0

        def write(self, event: Event) -> None:
            self.received.append(event)

        def close(self) -> None:
            self.closed += 1

    sink, detached = Recorder(), Recorder()
    with Monitor(Config(), ListSource(chunks(speech, 512)), engine=engine) as monitor:
        monitor.attach(sink)
        monitor.attach(detached)()
        monitor.wait()
    assert [event.seq for event in sink.received] == list(range(len(sink.received)))
    assert isinstance(sink.received[-1], Stop)
    assert (sink.closed, detached.closed) == (1, 1)


def test_closing_what_was_never_opened_does_nothing() -> None:
    Monitor(Config(), ListSource([])).close()


def test_a_monitor_has_the_configuration_it_was_given(engine: Engine, speech: Samples) -> None:
    config = Config.load(environment={}, overrides=["speech.text=false", "speech.hop_s=0.4"])
    scores = list(Monitor(config, ListSource(chunks(speech, 512)), engine=engine))
    assert {score.text for score in scores} == {None}
    assert scores[0].end - scores[0].start == pytest.approx(0.4, abs=0.01)
    with pytest.raises(ConfigError, match=r"speech\.model = 'base', but the engine"):
        list(
            Monitor(
                Config.load(environment={}, overrides=["speech.model=base"]), ListSource([]), engine=engine
            )
        )


def test_samples_and_iterables_are_sources(engine: Engine, speech: Samples, expected: list[Score]) -> None:
    assert scored(Monitor(Config(), speech, rate=SAMPLE_RATE, engine=engine)) == expected
    pieces = (speech[first : first + 1000] for first in range(0, len(speech), 1000))
    assert scored(Monitor(Config(), pieces, rate=SAMPLE_RATE, engine=engine)) == expected
    with pytest.raises(SourceError, match="bytes"):
        list(Monitor(Config(), b"RIFF", engine=engine))  # type: ignore[arg-type]


def test_a_file_that_was_never_started_still_ends_with_stop(engine: Engine, speech: Samples) -> None:
    with Monitor(Config(), ListSource(chunks(speech, 512)), engine=engine) as monitor:
        reader = monitor.events()
    start, stop = list(reader)
    assert isinstance(start, Start)
    assert isinstance(stop, Stop)
    assert (stop.reason, stop.stats.taken) == ("closed", 0)


def test_what_is_no_sink_is_refused_at_once(engine: Engine) -> None:
    with (
        Monitor(Config(), ListSource([]), engine=engine) as monitor,
        pytest.raises(PipelineError, match="subscribe"),
    ):
        monitor.attach(print)  # type: ignore[arg-type]


def test_waiting_in_a_callback_is_an_error_and_no_deadlock(engine: Engine, speech: Samples) -> None:
    raised: list[BaseException] = []
    with Monitor(Config(), ListSource(chunks(speech, 512)), engine=engine) as monitor:

        def wait(score: Score) -> None:
            try:
                monitor.wait()
            except PipelineError as error:
                raised.append(error)

        monitor.subscribe(wait)
        assert monitor.wait(60)
    assert "a callback would wait for itself" in str(raised[0])


def test_a_failure_is_raised_while_the_source_is_silent(engine: Engine, speech: Samples) -> None:
    source = PushSource(rate=SAMPLE_RATE)
    with Monitor(Config(), source, engine=engine) as monitor:

        def leave(score: Score) -> None:
            raise SystemExit(3)

        monitor.subscribe(leave)
        source.push(speech)
        with pytest.raises(SystemExit):
            monitor.wait(60)


class Blocks(ListSource):
    """A source that waits for ever after its items, whatever is asked of it."""

    def __iter__(self) -> Iterator[SourceItem]:
        yield from super().__iter__()
        self.release = threading.Event()
        self.release.wait(30)


def test_a_source_that_never_ends_is_named_and_what_was_heard_is_published(
    engine: Engine, speech: Samples
) -> None:
    config = Config.load(environment={}, overrides=["publish.shutdown_s=4"])
    source = Blocks(chunks(speech[: 2 * SAMPLE_RATE], 512))
    received: list[Event] = []

    def run() -> None:
        with Monitor(config, source, engine=engine) as monitor, monitor.events() as reader:
            monitor.start()
            next(event for event in reader if isinstance(event, Score))
            try:
                monitor.close()
            finally:
                received.extend(reader)

    with pytest.raises(StuckError, match="stream_emo-source"):
        run()
    source.release.set()
    assert isinstance(received[-1], Stop)
    assert any(event.final for event in received if isinstance(event, Score))


def test_counters_of_a_session_hold_what_waits_for_it(engine: Engine, speech: Samples) -> None:
    with Monitor(Config(), ListSource(chunks(speech, 512)), engine=engine) as monitor:
        monitor.start()
        while not monitor.wait(0.01):
            stats = monitor.stats()
            assert stats.offered == stats.taken + stats.dropped + stats.queued
        assert monitor.stats().queued == 0


def test_closing_the_engine_ends_an_idle_session() -> None:
    engine = Engine(Config.load(environment={}, overrides=["speech.text=false"]))
    source = PushSource(rate=SAMPLE_RATE)
    received: list[Event] = []

    def run() -> None:
        with Monitor(engine.config, source, engine=engine) as monitor, monitor.events() as reader:
            source.push(np.zeros(SAMPLE_RATE, np.float32))
            engine.close()
            received.extend(reader)

    with pytest.raises(PipelineError, match="the engine was closed"):
        run()
    assert isinstance(received[-1], Stop)
    assert received[-1].reason == "failed"


@pytest.mark.parametrize("live", [True, False])
def test_pausing_what_was_stopped_holds_nothing_up(engine: Engine, speech: Samples, live: bool) -> None:
    source: PushSource | Samples = PushSource(rate=SAMPLE_RATE) if live else speech
    with Monitor(Config(), source, rate=None if live else SAMPLE_RATE, engine=engine) as monitor:
        monitor.stop()
        monitor.pause()
        assert monitor.wait(30)


def test_an_iterator_that_is_left_unfinished_does_not_hold_up_the_exit() -> None:
    program = (
        "from stream_emo import Config, Monitor\n"
        "from stream_emo.demo import CLIP\n"
        "scores = iter(Monitor(Config(), CLIP))\n"
        "next(scores)\n"
        "import time; print(time.time(), flush=True)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert time.time() - float(result.stdout) < 8, "publish.shutdown_s is 10 s"
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("wrong", [{"speech": {}}, "config.toml"])
def test_what_is_no_configuration_is_refused(wrong: object) -> None:
    with pytest.raises(ConfigError, match=r"Config\.load"):
        Monitor(wrong)  # type: ignore[arg-type]
