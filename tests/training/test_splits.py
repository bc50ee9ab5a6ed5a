from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stream_emo.errors import SourceError
from stream_emo.training.corpora import Clip, indian_emospeech, nemo, ravdess
from stream_emo.training.splits import check_leaks, is_held_out, speaker_folds
from tests.training.published import touch


def clips(speakers: int) -> list[Clip]:
    """Twice as many as there are speakers, who take turns."""
    return [Clip(Path(f"{number}.wav"), str(number % speakers), "sad") for number in range(2 * speakers)]


def test_all_clips_of_a_speaker_are_in_one_fold_and_folds_are_alike() -> None:
    folds = speaker_folds(clips(10), 4, seed=0)
    np.testing.assert_array_equal(folds[:10], folds[10:])
    assert sorted(np.bincount(folds[:10])) == [2, 2, 3, 3]


def test_held_out_speakers_are_of_one_corpus_each_and_with_their_copies() -> None:
    assert is_held_out("ravdess", "23")
    assert is_held_out("ravdess", "23*")
    assert is_held_out("crema_d", "1051")
    assert not is_held_out("nemo", "23")
    assert not is_held_out("crema_d", "1015")


def test_the_seed_decides() -> None:
    one, other = speaker_folds(clips(20), 4, seed=0), speaker_folds(clips(20), 4, seed=0)
    np.testing.assert_array_equal(one, other)
    assert (one != speaker_folds(clips(20), 4, seed=1)).any()


def test_more_folds_than_speakers() -> None:
    with pytest.raises(SourceError, match="3 speakers cannot be split into 4 folds; ask for fewer"):
        speaker_folds(clips(3), 4, seed=0)


def test_a_speaker_on_both_sides() -> None:
    with pytest.raises(SourceError, match="speakers both trained on and tested: 1, 2; split by speaker"):
        check_leaks(clips(3), clips(5)[1:3])


def test_a_file_on_both_sides_under_another_name(tmp_path: Path) -> None:
    trained = Clip(touch(tmp_path / "a.wav", "same"), "Ann", "sad")
    copied = Clip(touch(tmp_path / "b.wav", "same"), "Bob", "sad")
    other = Clip(touch(tmp_path / "c.wav", "else"), "Eve", "sad")
    check_leaks([trained], [other])
    with pytest.raises(SourceError, match=r"b\.wav: tested, but the same as .*a\.wav, which is trained on"):
        check_leaks([trained], [other, copied])


@pytest.mark.data
def test_nothing_leaks_between_corpora_or_speakers(data_root: Path) -> None:
    actors, poles = ravdess(data_root / "ravdess"), nemo(data_root / "nemo")
    check_leaks([*actors, *indian_emospeech(data_root / "indian_emospeech")], poles)
    for corpus in (actors, poles):
        first = min(clip.speaker for clip in corpus)
        check_leaks(
            [clip for clip in corpus if clip.speaker != first],
            [clip for clip in corpus if clip.speaker == first],
        )
