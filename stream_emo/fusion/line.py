"""Line calibration: a constant bias per emotion that a line (microphone, telephone route, language) adds.

On a line that it was not trained on the network still ranks well, but some emotions are too likely
throughout. The bias that corrects this is found without labels, from how often each emotion should occur: the
mean posterior over utterances of the line, under the expected mix as its prior, is to equal the expected mix.
Saerens, Latinne and Decaestecker (2002), "Adjusting the Outputs of a Classifier to New a Priori
Probabilities", solve the reverse: there the classifier is right and the mix unknown.

The estimate is a maximum a posteriori one, since no expectation is certain: the bias is Gaussian with the
variance that was measured between corpora, and the expected mix counts as a few labelled utterances. Input
that is all of one emotion must not be turned into the expected mix. So the further the heard mix is from the
expected one, the less that counts, and not at all beyond what a line can explain (compare the biweight of
Beaton and Tukey 1974); and of too much of the emotion that is expected most, half is taken for what it is.

A bias is in nats: the change of the logarithm of an emotion's odds where there is audio alone.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from stream_emo.errors import ConfigError
from stream_emo.events import EMOTIONS

Array = NDArray[np.float64]

EXPECTED_NEUTRAL = 0.8
"""Share of neutral utterances where nothing else is said; the other emotions share the rest equally."""
VARIANCE = 0.5
"""Prior variance of an emotion's bias: the mean square over RAVDESS, nEMO and CREMA-D of the biases that
match each held-out corpus to its true mix."""
STATED_COUNT = 500.0
"""Number of labelled utterances that a mix is worth that somebody states for recordings, however many are
heard..."""
ASSUMED_COUNT = 50.0
"""...or that is only assumed of whatever comes in..."""
MAX_DISTANCE = 0.3
"""...falling to none at this distance (total variation) of the heard mix from the expected one. In samples of
the three corpora that are 80 % neutral the mean distance is 0.04 to 0.16; in their angry speech up to 0.8."""
CAP = 1.5
"""Largest bias of any emotion."""
_TOLERANCE = 1e-8
_MAX_STEPS = 50
_DIGEST_SHOWN = 12

_FILE = """\
# A line calibration by `stream-emo calibrate`, for fusion.line. Deleting the file and the key undoes it.

[bias]  # nats, added to the log odds of each emotion where the voice alone is scored
{bias}

[expected]  # share of the line's utterances that should show each emotion
{expected}

[learnt]
utterances = {utterances}
recordings = {recordings}
date = {date}
checkpoint = "{checkpoint}"
"""


@dataclass(frozen=True, slots=True)
class LineCalibration:
    """The bias of a line, and what it was learnt from."""

    bias: Mapping[str, float]
    """Of each emotion, in nats."""
    expected: Mapping[str, float]
    """The expected mix: a share of each emotion."""
    utterances: int
    recordings: int
    date: date
    checkpoint: str
    """Digest of the checkpoint whose bias it is, see `Checkpoint.digest`."""

    @classmethod
    def read(cls, path: Path) -> Self:
        """Return the calibration in a file that `write` wrote.

        Raises:
            ConfigError: the file is missing, unreadable, or no line calibration.
        """
        try:
            document = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise _unusable(path, error.strerror or str(error)) from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise _unusable(path, f"not valid TOML: {error}") from error
        learnt = _table(path, document, "learnt")
        types = {"utterances": int, "recordings": int, "date": date, "checkpoint": str}
        for key, kind in types.items():
            if type(learnt.get(key)) is not kind:
                raise _unusable(path, f"learnt.{key} is missing or wrong")
        bias, expected = (_numbers(path, document, name) for name in ("bias", "expected"))
        return cls(bias, expected, **{key: learnt[key] for key in types})

    def write(self, path: Path) -> None:
        """Write the calibration as TOML. Raises `OSError`."""
        tables = (
            "\n".join(f"{name} = {table[name]:.4f}" for name in EMOTIONS)
            for table in (self.bias, self.expected)
        )
        text = _FILE.format(
            bias=next(tables),
            expected=next(tables),
            utterances=self.utterances,
            recordings=self.recordings,
            date=self.date.isoformat(),
            checkpoint=self.checkpoint,
        )
        path.write_text(text, encoding="utf-8")

    def check(self, path: Path, checkpoint: str) -> None:
        """Raise `ConfigError` if the bias, read from `path`, was learnt for another checkpoint."""
        if self.checkpoint != checkpoint:
            learnt, loaded = (digest[:_DIGEST_SHOWN] for digest in (self.checkpoint, checkpoint))
            raise ConfigError(
                f"fusion.line: {path} was learnt with the checkpoint {learnt}, not the loaded {loaded}; "
                "learn it again with stream-emo calibrate"
            )

    @property
    def array(self) -> Array:
        """The bias [emotions]."""
        return np.array([self.bias[name] for name in EMOTIONS])


def expected_mix(named: Mapping[str, float]) -> dict[str, float]:
    """Return the expected share of every emotion: the `named` ones as given, the rest shared out.

    The emotions that are not named share the rest as they do by default: neutral 24 times as much as each
    other one.

    Raises:
        ConfigError: an unknown emotion, a share that is not above 0 and below 1, or a wrong sum.
    """
    for name, share in named.items():
        if name not in EMOTIONS:
            raise ConfigError(f"expected mix: {name!r} is not one of {', '.join(EMOTIONS)}")
        if not 0 < share < 1:
            raise ConfigError(f"expected mix: {name}={share:g} must be above 0 and below 1")
    usual = dict.fromkeys(EMOTIONS, (1 - EXPECTED_NEUTRAL) / (len(EMOTIONS) - 1)) | {
        EMOTIONS[0]: EXPECTED_NEUTRAL
    }
    unnamed = {name: share for name, share in usual.items() if name not in named}
    left = 1 - sum(named.values())
    if (left <= 0) if unnamed else (abs(left) > 1e-6):
        wanted = "less than 1, as other emotions share the rest" if unnamed else "1"
        raise ConfigError(f"expected mix: the shares sum to {1 - left:g}; they must sum to {wanted}")
    scale = left / sum(unnamed.values()) if unnamed else 0.0
    return {name: named.get(name, scale * usual[name]) for name in EMOTIONS}


def distance(log_odds: Array, expected: Array) -> float:
    """Return the total variation between the mean posterior without bias and `expected`; see `fit_bias`."""
    return _variation(posteriors(log_odds, expected).mean(0), expected)


def fit_bias(
    log_odds: Array,
    expected: Array,
    count: float,
    weights: Array | None = None,
    mix_count: float = STATED_COUNT,
) -> Array:
    """Return the bias [classes], with the sum 0, of a line.

    `log_odds` [n, classes]: logits of the audio alone, calibrated (up to a constant in each row); `expected`
    [classes]: the mix; `count`: the number of independent utterances that the rows are worth; `weights` [n]:
    share of each row, with the sum 1; None: all the same; `mix_count`: the number of labelled utterances that
    the mix is worth.

    With F(b) = mean of logsumexp(log_odds + log(expected * classes) + b) - expected @ b, whose gradient is
    the mean posterior minus the expected mix, it minimises n F(b) + |b|^2 / (2 VARIANCE), which is strictly
    convex; 1 / n = 1 / `count` + 1 / (`mix_count` times the squared biweight of the mixes' distance). A
    larger result is scaled down to `CAP`. If the class that is expected most is heard more often than
    expected, the share half-way between is expected instead, and the others share the rest as before.
    """
    classes = log_odds.shape[1]
    prior = log_odds + np.log(expected * classes)
    weights = np.full(len(prior), 1 / len(prior)) if weights is None else weights
    heard = weights @ _softmax(prior)
    apart = min(1.0, _variation(heard, expected) / MAX_DISTANCE)
    worth = mix_count * (1 - apart**2) ** 4
    evidence = VARIANCE * count * worth / (count + worth)
    most = expected.argmax()
    if heard[most] > expected[most]:
        share = (heard[most] + expected[most]) / 2
        expected = expected * (1 - share) / (1 - expected[most])
        expected[most] = share

    def loss(bias: Array) -> float:
        return float(evidence * (weights @ _logsumexp(prior + bias) - expected @ bias) + bias @ bias / 2)

    bias = np.zeros(classes)
    for _ in range(_MAX_STEPS):
        posterior = _softmax(prior + bias)
        mean = weights @ posterior
        gradient = evidence * (mean - expected) + bias
        curvature = evidence * (np.diag(mean) - posterior.T @ (weights[:, None] * posterior))
        step = np.linalg.solve(curvature + np.eye(classes), gradient)
        size, before = 1.0, loss(bias)
        while loss(bias - size * step) > before and size > _TOLERANCE:
            size /= 2
        bias = bias - size * step
        if np.abs(step).max() < _TOLERANCE:
            break
    bias = bias - bias.mean()
    return np.asarray(bias * min(1.0, CAP / max(np.abs(bias).max(), _TOLERANCE)))


def posteriors(log_odds: Array, expected: Array, bias: Array | float = 0.0) -> Array:
    """Return the posteriors [n, classes] with this bias, under the expected mix as prior; see `fit_bias`."""
    return _softmax(log_odds + np.log(expected * len(expected)) + bias)


def _variation(one: Array, other: Array) -> float:
    return float(np.abs(one - other).sum() / 2)


def _softmax(logits: Array) -> Array:
    return np.asarray(np.exp(logits - _logsumexp(logits)[:, None]))


def _logsumexp(logits: Array) -> Array:
    highest = logits.max(1)
    return np.asarray(highest + np.log(np.exp(logits - highest[:, None]).sum(1)))


def _table(path: Path, document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    table = document.get(name)
    if not isinstance(table, Mapping):
        raise _unusable(path, f"no table [{name}]")
    return table


def _numbers(path: Path, document: Mapping[str, Any], name: str) -> dict[str, float]:
    """Return a table with one finite number for each emotion."""
    table = _table(path, document, name)
    if set(table) != set(EMOTIONS):
        raise _unusable(path, f"[{name}] must have {', '.join(EMOTIONS)}")
    for key, value in table.items():
        if type(value) not in (int, float) or not np.isfinite(value):
            raise _unusable(path, f"{name}.{key} = {value!r} must be a number")
    return {key: float(table[key]) for key in EMOTIONS}


def _unusable(path: Path, reason: str) -> ConfigError:
    return ConfigError(
        f"fusion.line: {path}: {reason}; learn it with stream-emo calibrate, or leave the key out"
    )
