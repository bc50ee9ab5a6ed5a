"""What holds for the package as a whole: its layers, its names, what importing it costs."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import stream_emo

ROOT = Path(stream_emo.__file__).parent
SHARED = {"types", "events", "errors", "config", "config_fields", "mood_config"}
LAYERS = ("audio", "perception", "fusion", "publish")
HEAVY = (
    "torch",
    "transformers",
    "sounddevice",
    "faster_whisper",
    "ctranslate2",
    "onnxruntime",
    "av",
    "soundfile",
    "rich",
)


def imported(path: Path) -> set[str]:
    """Modules of the package that a file imports, as `folder` or `module`."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        found |= {name.split(".")[1] for name in names if name.startswith("stream_emo.")}
    return found


def test_stages_know_types_and_not_their_neighbours() -> None:
    for layer in LAYERS:
        for path in sorted((ROOT / layer).rglob("*.py")):
            foreign = imported(path) - SHARED - {"runtime", layer}
            assert not foreign, f"{path.relative_to(ROOT)} imports {sorted(foreign)}"


def test_shared_modules_import_only_each_other() -> None:
    for module in SHARED:
        assert imported(ROOT / f"{module}.py") <= SHARED
    for path in sorted((ROOT / "runtime").rglob("*.py")):
        assert imported(path) <= SHARED | {"runtime"}


def test_no_cache_key_is_source_text() -> None:
    """Versions beside the code are: an edited comment changes nothing, and sources need not be installed."""
    for path in sorted(ROOT.rglob("*.py")):
        assert "getsource" not in path.read_text(encoding="utf-8"), path.relative_to(ROOT)


def test_one_module_names_the_files_of_a_checkpoint() -> None:
    """Those that are ours alone; other models have a config.json and a model.safetensors, too."""
    names = ("fusion.onnx", "audio_encoder.onnx", "text_adapter.safetensors", "training.json")
    naming = {
        path for path in ROOT.rglob("*.py") for name in names if name in path.read_text(encoding="utf-8")
    }
    assert naming == {ROOT / "models/checkpoint.py"}


def test_importing_is_light() -> None:
    program = f"import sys, stream_emo; print([name for name in {HEAVY!r} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert result.stdout.strip() == "[]"


@pytest.mark.weights
def test_listening_works_where_training_is_not_installed_and_tells_nobody(tmp_path: Path) -> None:
    """ONNX Runtime's telemetry would leave its queue in the cache."""
    program = """
import sys

class Absent:
    # As if the packages that only training needs were not installed.
    names = {"torch", "transformers", "sentence_transformers", "peft", "sklearn", "scipy"}

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in self.names:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
from stream_emo import Config, Monitor
from stream_emo.demo import CLIP
assert [score for score in Monitor(Config(), CLIP) if score.text]
"""
    result = subprocess.run(
        [sys.executable, "-c", program],
        check=False,
        capture_output=True,
        text=True,
        env=os.environ | {"XDG_CACHE_HOME": str(tmp_path), "HOME": str(tmp_path)},
    )
    assert result.returncode == 0, result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["stream_emo"]


def test_public_names() -> None:
    names = {
        "EMOTIONS",
        "Config",
        "Engine",
        "Event",
        "Monitor",
        "PcmFormat",
        "PushSource",
        "Score",
        "StreamEmoError",
    }
    assert set(stream_emo.__all__) == names
    for name in stream_emo.__all__:
        assert getattr(stream_emo, name) is not None


def test_error_tree_in_the_docstring_is_the_real_one() -> None:
    from stream_emo import errors

    tree = errors.__doc__ or ""
    classes = {name for name, value in vars(errors).items() if isinstance(value, type)}
    assert {name for name in classes if name.endswith("Error")} == {
        word for word in tree.replace("├──", " ").replace("└──", " ").split() if word.endswith("Error")
    }


def test_files_and_functions_can_be_read_in_one_sitting() -> None:
    """At most 350 lines for a file and 60 for a function, its docstring included."""
    for path in sorted(ROOT.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        assert text.count("\n") <= 350, path.relative_to(ROOT)
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                assert lines <= 60, f"{path.relative_to(ROOT)}: {node.name}"
