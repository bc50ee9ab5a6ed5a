"""No import circles: a reader can follow the imports, and any module can be imported first."""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import stream_emo

ROOT = Path(stream_emo.__file__).parent


def modules() -> dict[str, Path]:
    """Return the path of every module of the package by its dotted name."""
    found = {}
    for path in ROOT.rglob("*.py"):
        parts = ("stream_emo", *path.relative_to(ROOT).with_suffix("").parts)
        found[".".join(parts).removesuffix(".__init__")] = path
    return found


def imported(path: Path) -> set[str]:
    """Return all that a file imports anywhere in it: at its top, in functions, for type checking."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


def test_no_module_imports_itself_by_way_of_others() -> None:
    paths = modules()
    graph = {name: imported(path) & paths.keys() for name, path in paths.items()}
    assert {"stream_emo.audio.base", "stream_emo.audio.resample"} <= graph["stream_emo.audio.queued"]
    assert list(TopologicalSorter(graph).static_order())  # Raises `CycleError`, which shows the circle.
