"""`stream-emo eval`: the protocols by name, each on published corpora and repeatable by others."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from stream_emo.evaluation.alerts import alerts
from stream_emo.evaluation.audio_only import crema_d_6fold, leave_one_corpus_out, nemo_loso, ravdess_6fold
from stream_emo.evaluation.calibration import calibration
from stream_emo.evaluation.compositions import composed, conflict
from stream_emo.evaluation.decisions import decisions
from stream_emo.evaluation.diarisation import diarisation
from stream_emo.evaluation.explanation import explanation
from stream_emo.evaluation.fairness import fairness
from stream_emo.evaluation.false_alarms import false_alarms
from stream_emo.evaluation.fused_left_out import fused_left_out
from stream_emo.evaluation.gate import gate
from stream_emo.evaluation.line_calibration import line_calibration
from stream_emo.evaluation.mood_changes import mood_changes
from stream_emo.evaluation.mood_days import mood_days
from stream_emo.evaluation.negation import negation
from stream_emo.evaluation.owner_voice import owner_voice
from stream_emo.evaluation.phantom_text import phantom_text
from stream_emo.evaluation.result import Result
from stream_emo.evaluation.robustness import robustness
from stream_emo.evaluation.rolling import rolling
from stream_emo.evaluation.telephone import telephone
from stream_emo.evaluation.text_only import emobank, goemotions_ekman, meld_text
from stream_emo.training.datasets import Data

PROTOCOLS: Mapping[str, Callable[[Data], Result]] = {
    "ravdess-6fold": ravdess_6fold,
    "nemo-loso": nemo_loso,
    "crema-d-6fold": crema_d_6fold,
    "leave-one-corpus-out": leave_one_corpus_out,
    "line-calibration": line_calibration,
    "meld-text": meld_text,
    "goemotions-ekman": goemotions_ekman,
    "emobank": emobank,
    "negation": negation,
    "composed": composed,
    "conflict": conflict,
    "fused-left-out": fused_left_out,
    "robustness": robustness,
    "telephone": telephone,
    "calibration": calibration,
    "fairness": fairness,
    "false-alarms": false_alarms,
    "alerts": alerts,
    "decisions": decisions,
    "explanation": explanation,
    "rolling": rolling,
    "gate": gate,
    "phantom-text": phantom_text,
    "mood-days": mood_days,
    "mood-changes": mood_changes,
    "owner-voice": owner_voice,
    "diarisation": diarisation,
}
"""Each reports into `Data.progress`, and raises `SourceError` where a corpus is missing."""
WITHOUT_DATA = frozenset({"mood-changes"})
"""Those that read no data set."""
