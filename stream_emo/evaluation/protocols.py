"""`stream-emo eval`: accuracy on published corpora, by protocols that others can repeat."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from stream_emo.evaluation.pairs import composed, conflict
from stream_emo.evaluation.result import Result
from stream_emo.evaluation.robustness import robustness
from stream_emo.evaluation.texts import emobank, goemotions_ekman, meld_text
from stream_emo.evaluation.trust import calibration, fairness, false_alarms
from stream_emo.evaluation.voices import leave_one_corpus_out, nemo_loso, ravdess_6fold
from stream_emo.training.datasets import Data

PROTOCOLS: Mapping[str, Callable[[Data], Result]] = {
    "ravdess-6fold": ravdess_6fold,
    "nemo-loso": nemo_loso,
    "leave-one-corpus-out": leave_one_corpus_out,
    "meld-text": meld_text,
    "goemotions-ekman": goemotions_ekman,
    "emobank": emobank,
    "composed": composed,
    "conflict": conflict,
    "robustness": robustness,
    "calibration": calibration,
    "fairness": fairness,
    "false-alarms": false_alarms,
}
