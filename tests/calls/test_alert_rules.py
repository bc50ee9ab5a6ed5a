"""Alert rules as people write them."""

from __future__ import annotations

from pathlib import Path

import pytest

from stream_emo.calls.alerts.rules import SHIPPED, read_rules, written
from stream_emo.errors import ConfigError

RULE = '[[alerts]]\nname = "loud"\nmeasure = "arousal"\nabove = 0.5\n'


def rules_in(folder: Path, text: str) -> Path:
    path = folder / "rules.toml"
    path.write_text(text)
    return path


def test_shipped_rules_are_the_four_of_the_readme() -> None:
    names = [rule.name for rule in read_rules()]
    assert names == ["getting angry", "upset for long", "dead air", "talks over the customer"]
    assert all(rule.hint for rule in read_rules())


def test_rules_may_stand_in_a_file_with_other_tables(tmp_path: Path) -> None:
    (rule,) = read_rules(rules_in(tmp_path, f'[gate]\nvad = "webrtc"\n{RULE}'))
    assert (rule.name, rule.role, rule.threshold, rule.over) == ("loud", "customer", 0.5, "rolling")


def test_written_rules_read_back(tmp_path: Path) -> None:
    rules = read_rules()
    text = written(rules)
    assert read_rules(rules_in(tmp_path, text)) == rules
    assert "min_confidence" not in text


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "alerts"),
        (RULE + "hitz = 2\n", "rule 'loud': unknown key 'hitz'; did you mean 'hits'"),
        (RULE + "colour = 2\n", "rule 'loud': unknown key 'colour'; known: name, measure"),
        (RULE + 'dwell_s = "long"\n', "rule 'loud'.dwell_s"),
        (RULE + "dwell_s = -1.0\n", "rule 'loud'.dwell_s"),
        (RULE + "hits = 3\nof = 2\n", "more hits"),
        (RULE + "below = 0.1\n", "either above or below"),
        (RULE.replace("above = 0.5\n", ""), "either above or below"),
        (RULE + "clear = 0.6\n", "must not be over"),
        (RULE.replace("above = 0.5", "below = 0.5\nclear = 0.4"), "must not be under"),
        (RULE.replace("arousal", "rage"), "'rage' is not one of neutral"),
        (RULE + "within_s = 3.0\n", "within_s is for talk_s"),
        (RULE.replace("arousal", "dead_air_s") + "relative = true\n", "relative and over"),
        (RULE + 'scale = "evidence"\n', "there is evidence of happy"),
        (RULE + RULE, "name of two rules"),
        ("alerts = 3", "alerts"),
        ("[[alerts", "not valid TOML"),
    ],
)
def test_a_wrong_rule_is_named_with_its_key(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        read_rules(rules_in(tmp_path, text))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        read_rules(tmp_path / "none.toml")


def test_hysteresis() -> None:
    rule = read_rules(SHIPPED)[0]
    between = (rule.threshold + (rule.clear or 0)) / 2
    assert not rule.passes(between, raised=False)
    assert rule.passes(between, raised=True)
    assert not rule.passes(0.0, raised=True)
