"""The live view: what a person sees in a terminal while the monitor runs."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from stream_emo.events import EMOTIONS, Device, Error, Event, Gap, Score, Start, Stats

COLOURS = {
    "neutral": "white",
    "happy": "yellow",
    "sad": "blue",
    "angry": "red",
    "fearful": "magenta",
    "disgusted": "green",
    "surprised": "cyan",
}
_UNSURE = "unsure"
_BAR = 24  # Cells of a full bar.
_TRACE = 48  # Scores in the valence and arousal traces.
_LINES = 6  # Utterances in the transcript.
_NOTES = 3
_QUIETEST_DB, _METER = -60.0, 20
_BLOCKS = "▁▂▃▄▅▆▇█"


class LiveView:
    """Draws what it is shown. Call `show` for each event and `refresh` in between, on one thread."""

    def __init__(self, stats: Callable[[], Stats], console: Console | None = None) -> None:
        """`stats`: asked at every refresh, for the level meter and the counters."""
        self._stats = stats
        self._source = ""
        self._score: Score | None = None
        self._affect: deque[tuple[float, float]] = deque(maxlen=_TRACE)
        self._utterances: dict[int, Score] = {}
        self._notes: deque[Text] = deque(maxlen=_NOTES)
        self._live = Live(console=console, auto_refresh=False, transient=False, get_renderable=self.render)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def show(self, event: Event) -> None:
        match event:
            case Start():
                self._source = event.source
            case Score():
                self._take(event)
            case Gap():
                self._note(f"{event.end - event.start:.2f} s of audio lost ({event.reason})", "yellow")
            case Device():
                self._note(f"{event.name}: {event.state}", "green" if event.state == "opened" else "yellow")
            case Error():
                self._note(event.message, "red")

    def refresh(self) -> None:
        self._live.refresh()

    def render(self) -> RenderableType:
        stats = self._stats()
        parts: list[RenderableType] = [self._header(stats), self._bars(), self._traces(), self._transcript()]
        parts += self._notes
        counts = f"{stats.utterances} utterances, {stats.scores} scores"
        left_out = stats.skipped_scores + stats.skipped_transcripts
        shed = f", {left_out} left out" if left_out else ""
        return Panel(
            Group(*parts), title="stream_emo", subtitle=f"{counts}{shed} · Ctrl-C ends", border_style="dim"
        )

    def _take(self, score: Score) -> None:
        self._score = score
        self._utterances[score.utterance] = score
        while len(self._utterances) > _LINES:
            del self._utterances[min(self._utterances)]
        self._affect.append((score.rolling.valence, score.rolling.arousal))

    def _note(self, text: str, style: str) -> None:
        self._notes.append(Text(text, style=style, overflow="ellipsis", no_wrap=True))

    def _header(self, stats: Stats) -> Text:
        share = max(0.0, 1 - stats.level_db / _QUIETEST_DB)
        filled = round(_METER * min(1.0, share))
        line = Text(no_wrap=True, overflow="ellipsis")
        line.append("● " if stats.speaking else "○ ", "bold green" if stats.speaking else "dim")
        line.append("▮" * filled, "green")
        line.append("▯" * (_METER - filled), "dim")
        line.append(f" {stats.level_db:4.0f} dB   {_clock(stats.time)}   ")
        dropped = stats.dropped / max(1, stats.offered)
        line.append(f"lost {dropped:.1%}   ", "bold red" if stats.dropped else "dim")
        if stats.clipped:
            line.append(f"clipped {stats.clipped}   ", "yellow")
        return line.append(self._source, "dim")

    def _bars(self) -> Table:
        table = Table.grid(padding=(0, 1))
        score = self._score
        for name in EMOTIONS:
            now = score.probabilities[name] if score else 0.0
            rolling = score.rolling.probabilities[name] if score else 0.0
            chosen = score is not None and score.label == name
            table.add_row(
                Text(name, f"bold {COLOURS[name]}" if chosen else COLOURS[name]),
                Text(_bar(now), COLOURS[name]),
                f"{now:4.0%}",
                Text(_bar(rolling), f"dim {COLOURS[name]}"),
                Text(f"{rolling:4.0%} rolling", "dim"),
            )
        return table

    def _traces(self) -> Table:
        table = Table.grid(padding=(0, 1))
        for name, column in (("valence", 0), ("arousal", 1)):
            values = [pair[column] for pair in self._affect]
            table.add_row(name, Text(_trace(values)), f"{values[-1]:+.2f}" if values else "")
        return table

    def _transcript(self) -> RenderableType:
        if not self._utterances:
            return Text("\nlistening ...\n", "dim")
        table = Table.grid(padding=(0, 1), expand=True)
        table.add_column(width=6)
        table.add_column(width=10)
        table.add_column(ratio=1, overflow="fold")
        for score in self._utterances.values():
            label = score.label or _UNSURE
            table.add_row(
                Text(_clock(score.start), "dim"),
                Text(label, COLOURS.get(label, "dim")),
                Text(score.text or "...", "" if score.final else "italic dim"),
            )
        return Group(Text(), table)


def _bar(share: float) -> str:
    filled = round(_BAR * share)
    return "█" * filled + "░" * (_BAR - filled)


def _trace(values: list[float]) -> str:
    """-1 to 1 as blocks, the newest to the right."""
    steps = [round((value + 1) / 2 * (len(_BLOCKS) - 1)) for value in values]
    return "".join(_BLOCKS[min(max(step, 0), len(_BLOCKS) - 1)] for step in steps).rjust(_TRACE)


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60:02d}:{int(seconds) % 60:02d}"
