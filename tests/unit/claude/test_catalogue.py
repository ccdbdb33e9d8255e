"""What Claude Code tells of the account."""

import msgspec
import pytest

from signedin.model.errors import AuthRequiredError, InvalidOptionError
from signedin.model.events import RateLimits, RateLimitWindow
from signedin.model.results import ModelInfo
from signedin.providers.claude.models_and_limits import check_effort, limits_in, models_in


def raw(value: object) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))


def test_models() -> None:
    models = [
        {"value": "default", "resolvedModel": "o-2", "displayName": "Default"},
        {"value": "opus", "resolvedModel": "o-2", "supportedEffortLevels": ["low", "high"]},
        {"value": "opus[1m]", "resolvedModel": "o-2", "displayName": "Long"},
        {"value": "haiku", "resolvedModel": "h-1", "displayName": "Haiku"},
    ]
    assert models_in(raw({"models": models})) == [
        ModelInfo(id="opus", name="opus", efforts=("low", "high"), default=True, images=True),
        ModelInfo(id="opus[1m]", name="Long", images=True),
        ModelInfo(id="haiku", name="Haiku", images=True),
    ]
    assert models_in(raw({})) == []


def test_limits() -> None:
    limits = {
        "subscription_type": "max",
        "rate_limits_available": True,
        "rate_limits": {
            "five_hour": {"utilization": 12.5, "resets_at": "2100-01-01T00:00:00Z"},
            "seven_day": {"utilization": 34, "resets_at": None},
            "seven_day_opus": None,
            "seven_day_sonnet": {"utilization": None, "resets_at": None},
            "model_scoped": [],
            "extra_usage": {"is_enabled": False},
        },
    }
    assert limits_in(raw(limits)) == RateLimits(
        {
            "five_hour": RateLimitWindow(12.5, 300, 4_102_444_800.0),
            "seven_day": RateLimitWindow(34.0, 10_080, None),
        },
        plan="max",
    )


def test_limits_that_are_not_known() -> None:
    assert limits_in(raw({"rate_limits_available": True, "rate_limits": None})) is None
    with pytest.raises(AuthRequiredError, match="signedin auth login --provider claude"):
        limits_in(raw({"rate_limits_available": False}))


def test_an_effort_is_one_of_those_the_program_names() -> None:
    models = raw({"models": [{"value": "a"}, {"value": "b", "supportedEffortLevels": ["low"]}]})
    for effort in ("low", None):
        check_effort(models, effort)
    check_effort(raw({"models": [{"value": "a"}]}), "of an unknown program")
    with pytest.raises(InvalidOptionError, match="does not know the effort 'bogus'; known: low"):
        check_effort(models, "bogus")
