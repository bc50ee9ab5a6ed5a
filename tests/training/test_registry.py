"""Every adapter is in the registry, and a data set that is missing is named with its source."""

from __future__ import annotations

from pathlib import Path

import pytest

from stream_emo.errors import SourceError
from stream_emo.training import corpora
from stream_emo.training.corpora.registry import CORPORA, ESC_10, SPEECHBRAIN, TEXT_CORPORA
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


def test_codes_belong_to_registered_corpora() -> None:
    shared = {"ekman", "xed_neutral", "manifest"}
    assert set(CODES) - shared <= {*CORPORA, *TEXT_CORPORA}


def test_what_is_missing_is_named_with_its_source(tmp_path: Path) -> None:
    source = Data(tmp_path, tmp_path)
    with pytest.raises(SourceError, match=r"/ravdess: missing; --data names .* Zenodo 1188976$"):
        source.clips("ravdess")
    with pytest.raises(SourceError, match=r"/text/meld: missing; --data names .* declare-lab/MELD$"):
        source.meld("test")
