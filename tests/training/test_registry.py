"""Every adapter is in the registry, and a data set that is missing is named with its source."""

from __future__ import annotations

from pathlib import Path

import pytest

from stream_emo.errors import SourceError
from stream_emo.training import corpora
from stream_emo.training.corpora.registry import (
    CORPORA,
    ESC_10,
    SPEECHBRAIN,
    TEXT_CORPORA,
    licence_of_weights,
)
from stream_emo.training.datasets import Data
from stream_emo.training.labels import CODES


def test_every_adapter_is_registered_under_its_name() -> None:
    registered = {**CORPORA, **TEXT_CORPORA}
    assert set(registered) == set(corpora.__all__) - {"Clip", "Sentence", "manifest"}
    assert all(corpus.read is getattr(corpora, name) for name, corpus in registered.items())


def test_every_data_set_has_a_folder_of_its_own_and_a_source() -> None:
    data_sets = [*CORPORA.values(), *TEXT_CORPORA.values(), ESC_10, SPEECHBRAIN]
    assert len({data_set.folder for data_set in data_sets}) == len(data_sets)
    assert all(data_set.title and data_set.source for data_set in data_sets)


def test_no_weights_are_made_of_what_forbids_derivatives() -> None:
    assert all(not corpus.share for corpus in CORPORA.values() if "ND" in corpus.licence)


def test_non_commercial_data_is_not_for_commercial_weights() -> None:
    restricted = [one for one in (*CORPORA.values(), *TEXT_CORPORA.values()) if "NC" in one.licence]
    assert restricted
    assert not any(corpus.commercial for corpus in restricted)


def test_the_licence_of_weights_is_as_restricted_as_the_data() -> None:
    assert licence_of_weights([CORPORA["crema_d"], TEXT_CORPORA["goemotions"]]) == "CC-BY-4.0"
    assert licence_of_weights([CORPORA["crema_d"], CORPORA["nemo"]]) == "CC-BY-NC-SA-4.0"
    assert licence_of_weights([CORPORA["iemocap"], CORPORA["nemo"]]) == "research only"


def test_training_takes_what_it_finds(tmp_path: Path) -> None:
    for name in ("crema_d", "ravdess", "turev", "librispeech"):
        (tmp_path / CORPORA[name].folder).mkdir()
    assert Data(tmp_path, tmp_path).spoken() == ["crema_d", "ravdess"]
    assert Data(tmp_path, tmp_path, commercial_only=True).spoken() == ["crema_d"]


def test_codes_belong_to_registered_corpora() -> None:
    shared = {"ekman", "xed_neutral", "manifest"}
    assert set(CODES) - shared <= {*CORPORA, *TEXT_CORPORA}


def test_what_is_missing_is_named_with_its_source(tmp_path: Path) -> None:
    source = Data(tmp_path, tmp_path)
    with pytest.raises(SourceError, match=r"/ravdess: missing; --data names .* Zenodo 1188976$"):
        source.clips("ravdess")
    with pytest.raises(SourceError, match=r"/text/meld: missing; --data names .* declare-lab/MELD$"):
        source.meld("test")
