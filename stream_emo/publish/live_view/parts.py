"""The parts of the live view: each gives lines of text that are no wider than asked for."""

from __future__ import annotations

from rich.cells import cell_len
from rich.text import Text

from stream_emo.events import EMOTIONS, Score
from stream_emo.publish.live_view.state import FADED, RECENT_S, UNSURE, Note, ViewState, clock

COLOURS = {
    # The terminal's own foreground: white and black each vanish on one kind of theme.
    "neutral": "default",
    "happy": "yellow",
    "sad": "blue",
    "angry": "red",
    "fearful": "magenta",
    "disgusted": "green",
    "surprised": "cyan",
}

_QUIETEST_DB = -60.0
_EIGHTHS = " ▏▎▍▌▋▊▉█"
_NAME = max(map(len, EMOTIONS))
_CONFIDENCE_FROM = 60  # Narrower transcripts leave the confidence out ...
_LABEL_FROM = 36  # ... and then the label.


def plain(text: str) -> str:
    """Return `text` in one line, without what a terminal would take as a command."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def line(*pieces: str | tuple[str, str], width: int) -> Text:
    """Return one line of (styled) pieces, cut with an ellipsis where it is wider than `width` cells."""
    text = Text.assemble(*pieces, no_wrap=True, overflow="ellipsis")
    text.truncate(width, overflow="ellipsis")
    return text


def rule(title: str, width: int) -> Text:
    """Return a heading over the lines that follow."""
    return line(
        ("── ", ""), (title, "bold"), (" " + "─" * max(0, width - cell_len(title) - 4), ""), width=width
    )


def status(state: ViewState, width: int) -> Text:
    """Return who speaks, the level, the clock, lost audio and the source, as far as they fit."""
    level = -120.0 if state.stats is None else state.stats.level_db
    cells = 20 if width >= 80 else 10 if width >= 40 else 5
    filled = round(cells * min(1.0, max(0.0, 1 - level / _QUIETEST_DB)))
    pieces: list[tuple[str, str]] = [
        ("● " if state.speaking else "○ ", "bold green" if state.speaking else ""),
        ("▮" * filled, "green"),
        ("▯" * (cells - filled), ""),
        (f" {max(level, -99):3.0f} dB ", ""),
        (f" {clock(state.clock)}", "bold"),
    ]
    if state.stats is not None:
        lost = state.stats.dropped / max(1, state.stats.offered)
        pieces.append((f"  lost {_percent(lost, 1)}", "bold red" if lost else ""))
        if state.stats.clipped:
            pieces.append((f"  clipped {state.stats.clipped}", "bold"))
    if state.source:
        pieces.append((f"  {plain(state.source)}", ""))
    kept: list[tuple[str, str]] = []
    room = width
    for text, style in pieces:
        # A file's name may be cut, a number may not.
        if cell_len(text) > room and not (state.source and room > 8 and (text, style) == pieces[-1]):
            break
        kept.append((text, style))
        room -= cell_len(text)
    return line(*kept, width=width)


def headline(state: ViewState, width: int) -> Text:
    """Return what is the case now, in words."""
    device = state.device
    who = state.role or "somebody"
    if device is not None and device.state == "lost":
        return line((f"{plain(device.name)} is lost (since {clock(device.time)})", "bold"), width=width)
    if device is not None and device.state == "paused":
        return line((f"paused (since {clock(device.time)})", "bold"), width=width)
    if state.stopped:
        return line(("ended", "bold"), width=width)
    if state.speaking:
        score = state.current
        if score is None:
            return line((f"{who} speaks", "bold"), width=width)
        return line((f"{who} speaks: ", "bold"), *_verdict(score), width=width)
    newest = state.newest
    if newest is None:
        return line(("nobody has spoken yet", "bold"), width=width)
    silence = (f"nobody speaks (since {clock(state.quiet_since)})", "bold")
    if state.presence < FADED:
        return line(silence, width=width)
    return line(silence, "; before that " if width >= 60 else ", ", *_verdict(newest), width=width)


def lately(state: ViewState, width: int) -> Text:
    """Return which labels the speech of the last minutes had."""
    spoken, shares = state.shares(RECENT_S)
    span = "so far" if state.clock <= RECENT_S else f"last {RECENT_S / 60:.0f} min"
    if not shares:
        return line(f"{span}: no speech", width=width)
    return line(f"{span}, {clock(spoken)} of speech: {mix(shares)}", width=width)


def mix(shares: list[tuple[str, float]]) -> str:
    """Return shares of labels in words; what rounds to nothing is left out."""
    return ", ".join(f"{label} {_percent(share)}" for label, share in shares if share >= 0.005)


def bars(state: ViewState, width: int) -> list[Text]:
    """Return a heading and one line for each emotion: this utterance, and beside it the rolling state."""
    columns = [_utterance_column(state), _rolling_column(state)]
    if width < 56:
        columns = columns[:1] if state.speaking else columns[1:]
    half = width // len(columns)
    lines = [_side_by_side([rule(title, half - 2) for title, _, _ in columns], half)]
    for name in EMOTIONS:
        cells = [_bar(name, shown, presence, half - 2) for _, shown, presence in columns]
        lines.append(_side_by_side(cells, half))
    return lines


def compact_bars(state: ViewState, width: int) -> list[Text]:
    """Return a heading and the emotions in two columns: of this utterance, in silence the rolling state."""
    title, shown, presence = _utterance_column(state) if state.speaking else _rolling_column(state)
    half = width // 2
    lines = [rule(title, width)]
    rows = (len(EMOTIONS) + 1) // 2
    for row in range(rows):
        names = EMOTIONS[row::rows]
        lines.append(_side_by_side([_bar(name, shown, presence, half - 2) for name in names], half))
    return lines


def transcript(state: ViewState, width: int, height: int) -> list[Text]:
    """Return the newest utterances that fit `height` lines, the newest last and always there."""
    lines: list[Text] = []
    for score in reversed(state.utterances.values()):
        room = height - len(lines)
        if room <= 0:
            break
        lines = _utterance(score, width, room) + lines
    return lines


def notes(state: ViewState, width: int, height: int) -> list[Text]:
    """Return the newest notes about lost audio, the device and errors."""
    newest: list[Note] = list(state.notes)[-height:] if height > 0 else []
    return [
        line(
            ("! " if note.warns else "· ", "bold"),
            (f"{clock(note.time)} {plain(note.text)}", ""),
            width=width,
        )
        for note in newest
    ]


def _utterance_column(state: ViewState) -> tuple[str, dict[str, float] | None, float]:
    if state.speaking:
        score = state.current
        return "this utterance", None if score is None else score.probabilities, 1.0
    newest = state.newest
    shown = None if newest is None else newest.probabilities
    return "last utterance", shown, state.presence


def _rolling_column(state: ViewState) -> tuple[str, dict[str, float] | None, float]:
    shown = None if state.rolling is None else state.rolling.probabilities
    if shown is None or state.presence > 0.99:
        fading = ""
    elif state.presence < FADED:
        fading = ", faded"
    else:
        fading = f", {_percent(state.presence)} of its weight left"
    return f"rolling{fading}", shown, state.presence


def _bar(name: str, shown: dict[str, float] | None, presence: float, width: int) -> Text:
    """Return name, bar and percentage; faded by `presence`, and empty below `FADED`."""
    room = min(50, max(0, width - _NAME - 7))
    if shown is None or presence < FADED:
        return line(f"{name:{_NAME}}", width=width)
    share = shown[name]
    strongest = share == max(shown.values())
    eighths = round(8 * room * share * presence)
    full = "█" * (eighths // 8) + (_EIGHTHS[eighths % 8] if eighths % 8 else "")
    style = "bold" if strongest else ""
    return line(
        (f"{name:{_NAME}} ", style),
        (f"{full:{room}}", COLOURS[name]),
        (f" {_percent(share):>5}", style),
        width=width,
    )


def _utterance(score: Score, width: int, height: int) -> list[Text]:
    """Return an utterance as at most `height` lines; of a longer one its end."""
    label = score.label or UNSURE
    prefix = [f"{clock(score.start):>5} "]
    if width >= _LABEL_FROM:
        prefix += ["▌", f"{label:{_NAME}} "]
    if width >= _CONFIDENCE_FROM:
        prefix.append(f"{_percent(score.confidence):>5}  ")
    indent = sum(map(cell_len, prefix))
    words = plain(score.text or ("(no words)" if score.final else "")) + ("" if score.final else " …")
    wrapped = _wrapped(words.strip(), max(4, width - indent))
    cut = len(wrapped) > height
    lines = []
    for number, text in enumerate(wrapped[-height:]):
        if number:
            lines.append(line(" " * indent, text, width=width))
            continue
        pieces = [(piece, COLOURS.get(label, "") if piece == "▌" else "") for piece in prefix]
        if cut:
            last = pieces[-1][0]
            pieces[-1] = (last[:-1] + "…", pieces[-1][1])
        lines.append(line(*pieces, text, width=width))
    return lines


def _wrapped(text: str, width: int) -> list[str]:
    """Return `text` in lines of at most `width` cells, broken between words where that is possible."""
    lines: list[str] = [""]
    for word in text.split():
        if lines[-1] and cell_len(lines[-1]) + 1 + cell_len(word) <= width:
            lines[-1] += f" {word}"
            continue
        if lines[-1]:
            lines.append("")
        for letter in word:
            if cell_len(lines[-1]) + cell_len(letter) > width:
                lines.append("")
            lines[-1] += letter
    return lines


def _verdict(score: Score) -> list[tuple[str, str]]:
    best = max(score.probabilities, key=lambda name: score.probabilities[name])
    share = _percent(score.confidence)
    if score.label is None:
        return [(f"{UNSURE} ({best} {share})", "")]
    return [("▌", COLOURS.get(score.label, "")), (f"{score.label} {share}", "bold")]


def _side_by_side(texts: list[Text], width: int) -> Text:
    """Return one line of texts in columns of `width` cells."""
    for text in texts:
        text.truncate(width, overflow="ellipsis", pad=True)
    return Text.assemble(*texts, no_wrap=True)


def _percent(share: float, decimals: int = 0) -> str:
    return f"{100 * share:.{decimals}f} %"
