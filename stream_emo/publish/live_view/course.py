"""The course of valence and arousal over the last minutes, as bars around zero."""

from __future__ import annotations

from rich.text import Text

from stream_emo.publish.live_view.parts import line, rule
from stream_emo.publish.live_view.state import FADED, RECENT_S, ViewState, clock

_BLOCKS = " ▁▂▃▄▅▆▇█"
_SPANS_S = (60.0, 120.0, RECENT_S)
_SCALES = (0.25, 0.5, 1.0)
_NAMES = ("valence", "arousal")
_LABEL = len("valence -0.00 ")
_STYLES = ("cyan", "magenta")


def course(state: ViewState, width: int, rows: int, *, framed: bool) -> list[Text]:
    """Return the course of valence, then of arousal, in `rows` lines each.

    One row shows the scale from its bottom to its top; an even number shows what is above zero upwards from
    the middle and what is below zero downwards. Time without speech stays empty.

    Args:
        framed: with a heading above and a time axis below.
    """
    cells = max(1, width - _LABEL)
    span = next((span for span in _SPANS_S if state.clock <= span), RECENT_S)
    columns = _columns(state, cells, span)
    largest = max((abs(value) for pair in columns if pair is not None for value in pair), default=0.0)
    scale = next(scale for scale in _SCALES if min(largest, 1.0) <= scale)
    rolling = None if state.presence < FADED else state.rolling
    lines: list[Text] = []
    for index, name in enumerate(_NAMES):
        values = [None if pair is None else pair[index] / scale for pair in columns]
        now = None if rolling is None else (rolling.valence, rolling.arousal)[index]
        for row in range(rows):
            label = name if row == 0 else ""
            if now is not None and row == (0 if rows == 1 else 1):
                label = f"{label:8}{now:+.2f}"
            lines.append(line(f"{label:{_LABEL}}", *_row(values, row, rows, _STYLES[index]), width=width))
    if framed:
        title = f"rolling valence and arousal, last {clock(span)}, scale ±{scale:g}"
        lines.insert(0, rule(title, width))
        lines.append(line(" " * _LABEL, _axis(cells, span), width=width))
    return lines


def _columns(state: ViewState, cells: int, span: float) -> list[tuple[float, float] | None]:
    """Return the newest valence and arousal of each of `cells` stretches of time, None: nobody spoke."""
    step = span / cells
    # Whole steps, so that what was drawn moves by whole cells and does not flicker.
    end = (int(state.clock / step) + 1) * step
    found: list[tuple[float, float] | None] = [None] * cells
    for segment in state.segments:
        # Segments of one utterance touch; the cell in which they do shows the later one.
        first = int((segment.start - end + span) / step)
        last = int((segment.end - end + span) / step)
        for cell in range(max(0, first), min(cells - 1, last) + 1):
            found[cell] = (segment.valence, segment.arousal)
    return found


def _row(values: list[float | None], row: int, rows: int, style: str) -> list[tuple[str, str]]:
    """Return one row of a chart of values from -1 to 1, the first row at the top, as styled characters."""
    if rows == 1:
        return [
            (" " if value is None else _BLOCKS[1 + round((value + 1) / 2 * 7)], style) for value in values
        ]
    middle = rows // 2
    cells = []
    for value in values:
        if row < middle:
            eighths = _eighths(value or 0.0, middle, middle - 1 - row)
            cells.append((_BLOCKS[eighths], style))
        else:
            # Blocks grow upwards only: what hangs from the middle is what a block leaves free, in reverse.
            eighths = _eighths(-(value or 0.0), middle, row - middle)
            cells.append((_BLOCKS[8 - eighths], f"{style} reverse") if eighths else (" ", ""))
    return cells


def _eighths(value: float, rows: int, row: int) -> int:
    """Return how much of the cell `row` steps from the middle a bar over `rows` cells fills, in eighths."""
    return round(8 * min(1.0, max(0.0, value * rows - row)))


def _axis(cells: int, span: float) -> str:
    """Return the time axis: how long ago."""
    marks = [f"-{clock(span)}", f"-{clock(span / 2)}", "now"]
    axis = marks[0] + " " * max(0, cells - len(marks[0]) - len(marks[2])) + marks[2]
    middle = cells // 2
    if cells >= 30:
        axis = axis[: middle - 2] + marks[1] + axis[middle - 2 + len(marks[1]) :]
    return axis
