"""Every word about a person that the mood tracker's reports say: reviewed here, and nowhere else.

Rules: what is told is how a voice *sounded* to a program, relative to its owner's own usual; never what
somebody felt, is or has. No praise, no warning, no number for a person as a whole. Uncertain things are
told as such, and a figure is told together with the data behind it. Help is pointed to calmly, and never
more than once.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stream_emo.mood.course import Affect, DayValue
    from stream_emo.mood.entry import Sounded
    from stream_emo.mood.statistics import Agreement, DatedChange, Low, Summary

TITLE = "How you sounded"
PURPOSE = (
    "How pleasant and how lively your voice and words sounded, as a program estimates it. It is for your own "
    "looking back. It is not a medical device, it diagnoses nothing, and it is no score of you."
)
PRIVATE = "Everything here stays on this computer. No sound is kept."
CANNOT_KNOW = (
    "what you felt, or why you sounded as you did;",
    "anything about the time in which it did not listen or you did not speak;",
    "whether a cold, little sleep, another microphone or another room changed how you sounded;",
    "whether lively speech was joy or anger: from the voice alone, it often takes an angry day for a merely "
    "lively one.",
)
NAMES: dict[Affect, str] = {"valence": "Pleasant", "arousal": "Lively"}
_SIDES: dict[Affect, tuple[str, str]] = {
    "valence": ("less pleasant", "more pleasant"),
    "arousal": ("calmer", "livelier"),
}
USUAL_WITHIN, CLEAR_FROM = 0.75, 1.5
"""Standard deviations of the owner's days within which a day is usual, and from which it is clearly not."""
COURSE = (
    "Each dot is a day, the line through it its 95 % interval. The shaded band is your own usual: "
    "the middle two "
    "thirds of your days in the twelve weeks before. Hollow dots are days with little speech, which "
    "are compared "
    "with nothing. On grey days nothing was recorded."
)
TERMINAL = (
    "│ is your own usual; a dot at the edge is three times your usual day-to-day difference away or more."
)
WEEKS = "Means of the days with enough speech, with their 95 % intervals; a week takes three such days."
CALENDAR = "Colours are relative to your own usual on the days before, at the same times of day."
PATTERN = (
    "What the hours differ from their days, with 95 % intervals. An hour is shown from ten days with enough "
    "speech in it."
)
NO_PATTERN = "Not enough yet: an hour is shown from ten days with enough speech in it."
SPEECH = "Hours of your speech on each day. On grey days nothing was recorded."
PRESENCE = "When the program listened, was paused, or did not run. Nothing is known about the empty parts."
CHANGES = (
    "Found by a CUSUM chart (Page 1954, self-starting as in Hawkins 1987) from six weeks of days with enough "
    "speech on. On days that differ by chance alone it reports fewer than two changes a year, and it notices "
    "a lasting change as large as your usual day-to-day differences after about ten days. So some of "
    "these may be chance."
)
NO_CHANGES = "None was noticed in these days."
AGREEMENT = (
    "Rank correlation (Spearman) between your own notes and how pleasant you sounded on the same "
    "days, with its "
    "95 % interval: 1 is full agreement, 0 none."
)
VALIDATED = (
    "Days were tested with actors' speech that the program had never heard, 200 utterances a day, with one "
    "emotion raised from 10 to 30 %: by liveliness it told such a day from an ordinary one of the "
    "same speaker "
    "in at least 95 of 100 pairs, by pleasantness in about 80. Real days differ more, and in other ways. "
    "Repeat it with: stream-emo eval mood-days"
)
NOTHING = "Nothing was recorded in these days."
PAUSED = {
    "listening": "listening",
    "paused": "paused",
    "quiet": "quiet hours",
    "locked": "screen locked",
    "call": "a call of another program",
    "lost": "microphone lost",
}
_LOW_VOICE = (
    "A voice sounds so for many reasons, a cold or short nights among them, and this program cannot "
    "know which."
)
_LOW_HELP = "If you have been feeling low, talking to somebody you trust, or to a doctor, can help."


def day(at: date) -> str:
    """Return a date as people write it."""
    return f"{at.day} {at:%B %Y}"


def short_day(at: date) -> str:
    """Return a date without its year."""
    return f"{at.day} {at:%b}"


def span(seconds: float) -> str:
    """Return a duration in hours and minutes."""
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    return f"{minutes // 60:,} h {minutes % 60:02d} min" if minutes < 6000 else f"{round(minutes / 60):,} h"


def count(number: int, one: str, many: str | None = None) -> str:
    """Return a number with its noun."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def relative(affect: Affect, value: float) -> str:
    """Return in words where a day lies relative to the owner's own usual."""
    if abs(value) < USUAL_WITHIN:
        return "about as usual"
    much = "clearly " if abs(value) >= CLEAR_FROM else "somewhat "
    return f"{much}{_SIDES[affect][value > 0]} than usual"


def of_day(value: DayValue, affect: Affect) -> str:
    """Return what is known about a day, in a few words."""
    kinds = {"gap": "nothing recorded", "silent": "no speech of yours"}
    if value.kind in kinds:
        return kinds[value.kind]
    behind = count(value.utterances, "utterance")
    if value.kind == "thin":
        return f"little speech ({behind})"
    own = value.relative
    return f"{relative(affect, own[affect]) if own else 'nothing to compare with yet'} ({behind})"


def behind(summary: Summary) -> str:
    """Return how much data stands behind a report."""
    return (
        f"{count(summary.count('enough'), 'day')} with enough speech, {summary.count('thin')} with little, "
        f"{summary.count('silent')} without, {summary.count('gap')} not recorded; "
        f"{span(summary.speech_s)} of your "
        f"speech in {count(summary.utterances, 'utterance')}, from {span(summary.listened_s)} of listening"
    )


def others(summary: Summary) -> str:
    """Return how much speech was not the owner's."""
    return f"Speech of others, {span(summary.others_s)}, was recognised as such and not looked at."


def shares(summary: Summary) -> str:
    """Return what the shares of emotions rest on."""
    if not summary.confident:
        return "No utterance was clear enough to name an emotion."
    return (
        f"{summary.confident:,} of {count(summary.utterances, 'utterance')} "
        f"({summary.confident / summary.utterances:.0%}) were clear enough to name an emotion; these "
        f"are the shares "
        "among them alone. In daily speech they are rare and often wrong."
    )


def entry(found: Sounded, days: int, fewest: int) -> list[str]:
    """Return how a spoken entry sounded, line by line; `days`: known days, of which it takes `fewest`."""
    lines = [f"{found.seconds:.0f} s of speech"]
    if not found.relative:
        lines.append(f"not compared yet: it takes {fewest} days with speech, and there are {days}")
    lines += [f"{NAMES[affect]}: {relative(affect, value)}" for affect, value in found.relative.items()]
    return [*lines, "One entry says little by itself: a voice also follows the room, the hour and a cold."]


def change(found: DatedChange) -> str:
    """Return a notable change in words."""
    return (
        f"From about {day(found.first)} on you sounded "
        f"{_SIDES[found.affect][found.direction == 'up']} than in the "
        f"time before, by {abs(found.size):.1f} times your usual day-to-day difference; noticed on "
        f"{day(found.noticed)}, from {count(found.days, 'day')}."
    )


def agreement(found: Agreement, fewest: int) -> str:
    """Return how far the owner's notes and the estimates agree."""
    if found.spearman is None:
        return (
            f"Too little to compare: {count(found.pairs, 'day')} with both a note of your mood and "
            f"enough speech; "
            f"it takes {fewest}."
        )
    value = found.spearman
    told = "they go together" if value.low > 0 else "they go against each other" if value.high < 0 else ""
    return (
        f"{value.mean:.2f} [{value.low:.2f}, {value.high:.2f}] from {found.pairs} days: "
        f"{told or 'no agreement can be shown, so trust your own notes'}."
    )


def low(found: Low) -> str:
    """Return what is said about a long low stretch."""
    voice = "you sounded less pleasant than usual for you"
    notes = "your own notes were low"
    parts = [text for text, value in ((voice, found.relative), (notes, found.mood)) if value is not None]
    why = [] if found.relative is None else [_LOW_VOICE]
    return " ".join((f"In the latest three weeks {' and '.join(parts)}.", *why, _LOW_HELP))


def no_chart_yet(known: int, fewest: int) -> str:
    """Return that lasting changes are not looked for yet."""
    return (
        f"Not looked for yet: it takes {fewest} days with enough speech and more; there are {known} so far."
    )


def not_yet(known: int, fewest: int) -> str:
    """Return that there is no own normal yet."""
    return (
        f"Your own usual is not known yet: it takes {fewest} days with enough speech, and there are "
        f"{known}. Until "
        "then days are shown, and compared with nothing."
    )
