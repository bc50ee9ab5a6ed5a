"""What reports tell follows from the records, and little data tells little."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta

import pytest
from scipy import stats

from stream_emo.mood.course import ENOUGH_UTTERANCES, course, t_quantile
from stream_emo.mood.records import Note, Record
from stream_emo.mood.simulated import Life, Shift, records
from stream_emo.mood.statistics import FEWEST_PAIRS, Summary, spearman, summarise
from tests.mood.in_memory import InMemory, spoken_day, utterance

FIRST = date(2026, 1, 5)  # A Monday.


def month(levels: list[float], first: date = FIRST, **fields: int) -> list[Record]:
    return [
        record
        for number, level in enumerate(levels)
        for record in spoken_day(first + timedelta(number), level, **fields)
    ]


def summary(kept: list[Record], first: date, last: date) -> Summary:
    return summarise(InMemory(kept), first, last, datetime(2026, 6, 1, tzinfo=UTC))


def test_days_are_relative_to_the_days_before() -> None:
    draw = random.Random(0)
    levels = [draw.gauss(0.2, 0.05) for _ in range(28)]
    found = summary(month([*levels, 0.3]), FIRST, FIRST + timedelta(28)).days
    assert all(not value.relative for value in found[:14])
    assert all(value.relative for value in found[14:])
    mean = sum(levels) / len(levels)
    spread = (sum((level - mean) ** 2 for level in levels) / 27) ** 0.5
    assert found[-1].relative["valence"] == pytest.approx((0.3 - mean) / spread, rel=1e-6)


def test_an_evening_counts_as_an_evening() -> None:
    """Who always sounds lower in the evening, and speaks in the evening only today, has had a usual day."""
    draw = random.Random(1)
    kept: list[Record] = []
    for number in range(60):
        day, level = FIRST + timedelta(number), draw.gauss(0, 0.02)
        kept += spoken_day(day, level + 0.1, hour=9)
        kept += spoken_day(day, level - 0.1, hour=19)
    kept += spoken_day(FIRST + timedelta(60), -0.1, count=240, hour=19)
    last = summary(kept, FIRST, FIRST + timedelta(60)).days[-1]
    assert last.affect["valence"].mean == pytest.approx(-0.1, abs=0.01)
    assert abs(last.adjusted["valence"]) < 0.03


def test_gaps_silence_and_thin_days_are_told_apart() -> None:
    kept = month([0.1, 0.1])
    kept += spoken_day(FIRST + timedelta(2), 0.1, count=ENOUGH_UTTERANCES - 1)
    kept += spoken_day(FIRST + timedelta(3), 0.1, count=0)
    found = summary(kept, FIRST, FIRST + timedelta(4))
    assert [value.kind for value in found.days] == ["enough", "enough", "thin", "silent", "gap"]
    assert not found.days[2].adjusted


def test_the_interval_of_a_day_covers_its_level() -> None:
    covered = total = 0
    for seed in range(3):
        life = Life(FIRST, days=40, speech_h=0.7, seed=seed)
        kept = InMemory(records(life))
        days, hours = (
            kept.days(FIRST, date.max),
            kept.hours(datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)),
        )
        from stream_emo.mood.simulated import levels

        truth = {level.date: level.arousal for level in levels(life)}
        for value in course(days, hours, FIRST, FIRST + timedelta(39)):
            if value.kind == "enough":
                total += 1
                interval = value.affect["arousal"]
                # The evenings of the generator lower the mean of a day a little.
                covered += interval.low <= truth[value.date] - 0.007 <= interval.high
    assert covered / total > 0.85


def test_few_utterances_tell_little() -> None:
    """One tells nothing about its own uncertainty; the interval of a few is Student's."""
    (one,) = summary(spoken_day(FIRST, 0.1, count=1), FIRST, FIRST).days
    assert (one.affect["valence"].low, one.affect["valence"].high) == (-1, 1)
    (few,) = summary(spoken_day(FIRST, 0.1, count=6), FIRST, FIRST).days
    low, high = stats.t.interval(0.95, 5, 0.1, stats.sem([0.0, 0.2] * 3))
    assert few.affect["valence"].low == pytest.approx(low, abs=1e-3)
    assert few.affect["valence"].high == pytest.approx(high, abs=1e-3)


def test_a_week_takes_three_days() -> None:
    weeks = summary(month([0.1, 0.2, 0.3]), FIRST, FIRST + timedelta(13)).weeks
    assert [week.days for week in weeks] == [3, 0]
    assert weeks[0].affect["valence"].mean == pytest.approx(0.2)
    assert weeks[0].affect["valence"].low < 0.1
    assert not weeks[1].affect


def test_agreement_takes_enough_pairs() -> None:
    draw = random.Random(2)
    levels = [draw.gauss(0, 0.1) for _ in range(FEWEST_PAIRS)]
    kept = month(levels)
    for number, level in enumerate(levels):
        at = datetime(FIRST.year, FIRST.month, FIRST.day, 21, tzinfo=UTC) + timedelta(number)
        kept.append(Note(at=at, offset_min=0, mood=max(1, min(5, round(3 + 10 * level)))))
    agreement = summary(kept, FIRST, FIRST + timedelta(40)).agreement
    assert agreement.pairs == FEWEST_PAIRS
    assert agreement.spearman is not None
    assert agreement.spearman.low > 0.5
    fewer = summary(kept, FIRST + timedelta(1), FIRST + timedelta(40)).agreement
    assert (fewer.pairs, fewer.spearman) == (FEWEST_PAIRS - 1, None)


def test_labels_are_counted_among_the_confident() -> None:
    at = datetime(2026, 1, 5, 9, tzinfo=UTC)
    labels = ["happy", "happy", "angry", None, None, None]
    kept = [utterance(at + timedelta(seconds=10 * n), label=label) for n, label in enumerate(labels)]
    found = summary(list(kept), FIRST, FIRST)
    assert found.shares == {"happy": 2, "angry": 1}
    assert (found.utterances, found.confident) == (6, 3)


def test_a_long_low_stretch_of_the_voice_or_of_the_notes() -> None:
    draw = random.Random(3)
    usual = [draw.gauss(0, 0.05) for _ in range(70)]
    low = [draw.gauss(-0.1, 0.05) for _ in range(21)]
    found = summary(month([*usual, *low]), FIRST, FIRST + timedelta(90))
    assert found.low is not None
    assert found.low.relative is not None
    assert found.low.mood is None
    assert [change.direction for change in found.changes if change.affect == "valence"] == ["down"]
    assert summary(month(usual), FIRST, FIRST + timedelta(69)).low is None
    notes: list[Record] = [
        Note(at=datetime(2026, 1, 5 + n, 20, tzinfo=UTC), offset_min=0, mood=1 + n % 2) for n in range(6)
    ]
    noted = summary(notes, FIRST, FIRST + timedelta(20)).low
    assert noted is not None
    assert noted.mood == 1.5


def test_nothing_recorded() -> None:
    found = summary([], FIRST, FIRST + timedelta(29))
    assert found.count("gap") == 30
    assert (found.changes, found.low, found.hours, found.shares) == ([], None, [], {})


def test_simulated_records_are_the_same_for_the_same_seed() -> None:
    life = Life(FIRST, days=10, shifts=(Shift(5, valence=1.0),))
    assert list(records(life)) == list(records(life))


def test_spearman_is_scipys() -> None:
    draw = random.Random(4)
    one = [draw.randint(1, 5) for _ in range(50)]
    other = [value + draw.gauss(0, 2) for value in one]
    found = spearman(one, other)
    assert found is not None
    assert found.mean == pytest.approx(stats.spearmanr(one, other).statistic)
    assert found.low < found.mean < found.high
    assert spearman([1.0] * 30, other[:30]) is None


@pytest.mark.parametrize("freedom", [1, 2, 3, 5, 10, 100])
def test_t_quantile(freedom: int) -> None:
    assert t_quantile(freedom) == pytest.approx(stats.t.ppf(0.975, freedom), rel=0.005)
