"""Who may be scored."""

import pytest

from stream_emo.calls.roles import scored_roles
from stream_emo.config import CallsConfig
from stream_emo.errors import ConfigError


def test_only_the_customer_is_scored() -> None:
    assert scored_roles(["agent", "customer"], CallsConfig()) == [False, True]


def test_a_purpose_allows_the_agent_too() -> None:
    assert scored_roles(["agent", "customer"], CallsConfig(purpose="safety of the control room")) == [
        True,
        True,
    ]


@pytest.mark.parametrize("roles", [[], ["agent"], ["agent", "supervisor"]])
def test_scoring_people_at_work_without_a_purpose_is_refused(roles: list[str]) -> None:
    with pytest.raises(ConfigError, match=r"calls\.purpose"):
        scored_roles(roles, CallsConfig())
