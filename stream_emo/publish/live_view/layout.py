"""Which parts of the live view are drawn in a terminal of a given size, and how high each is."""

from __future__ import annotations

from rich.text import Text

from stream_emo.publish.live_view import parts
from stream_emo.publish.live_view.course import course
from stream_emo.publish.live_view.state import ViewState, clock


def frame(state: ViewState, width: int, height: int, *, ending: bool = False) -> list[Text]:
    """Return at most `height` lines of at most `width` cells: the whole view.

    From 40x10 on the newest utterance is in it; what a smaller terminal has no room for goes in the order
    course, bars, notes, counters.
    """
    head = [parts.status(state, width), parts.headline(state, width)]
    if height >= 12:
        head.append(parts.lately(state, width))
    foot = [_footer(state, width, ending)] if height >= 14 else []
    foot = (
        parts.notes(state, width, 3 if height >= 30 else 2 if height >= 20 else 1 if height >= 8 else 0)
        + foot
    )
    body: list[Text] = []
    if height >= 22 and width >= 40:
        body += parts.bars(state, width)
    elif height >= 14 and width >= 40:
        body += parts.compact_bars(state, width)
    if width >= 40:
        body += _course(state, width, height)
    room = height - len(head) - len(body) - len(foot)
    if height >= 20:
        body.append(parts.rule("what was said", width))
        room -= 1
    said = parts.transcript(state, width, max(0, room))
    lines = head + body + said + [Text()] * max(0, room - len(said)) + foot
    return lines[:height]


def summary(state: ViewState, width: int, height: int) -> list[Text]:
    """Return what stays on the screen after the view: counters, shares of labels, what was said last."""
    stats = state.stats
    counts = f"{clock(state.clock)}"
    if stats is not None:
        counts += f", {stats.utterances} utterances, {stats.scores} scores, "
        counts += f"lost {100 * stats.dropped / max(1, stats.offered):.1f} %"
    lines = [parts.line((parts.plain(state.source), "bold"), f": {counts}", width=width)]
    spoken, shares = state.shares()
    if shares:
        lines.append(parts.line(f"{clock(spoken)} of speech: {parts.mix(shares)}", width=width))
    lines += parts.notes(state, width, 5)
    return lines + parts.transcript(state, width, max(5, height - len(lines) - 2))


def _course(state: ViewState, width: int, height: int) -> list[Text]:
    if height >= 44:
        return course(state, width, 4, framed=True)
    if height >= 28:
        return course(state, width, 2, framed=True)
    return course(state, width, 1, framed=height >= 22) if height >= 14 else []


def _footer(state: ViewState, width: int, ending: bool) -> Text:
    if ending:
        return parts.line(("finishing the open utterance; Ctrl-C again leaves at once", "bold"), width=width)
    stats = state.stats
    if stats is None:
        return parts.line("Ctrl-C ends", width=width)
    skipped = stats.skipped_scores + stats.skipped_transcripts
    shed = f", {skipped} skipped to keep up" if skipped else ""
    return parts.line(
        f"Ctrl-C ends · {stats.utterances} utterances, {stats.scores} scores{shed}", width=width
    )
