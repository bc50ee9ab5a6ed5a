from __future__ import annotations

import pytest

from stream_emo.bench.wer import count_errors, normalized


def test_word_errors_are_substitutions_deletions_and_insertions() -> None:
    assert count_errors(["kids are talking", "by the door"], ["kids is talking now", "by door"]) == (6, 3)
    assert count_errors(["by the door"], [""]) == (3, 3)


def test_texts_are_compared_without_case_and_punctuation() -> None:
    pytest.importorskip("transformers")
    assert normalized("Kids are talking, by the DOOR.") == "kids are talking by the door"
