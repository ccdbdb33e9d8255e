"""What Claude Code reports about the account: its models, and what is left of its plan."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from signedin.accounts.hints import how_to_sign_in
from signedin.model.errors import AuthRequiredError, InvalidOptionError
from signedin.model.events import RateLimits, RateLimitWindow
from signedin.model.options import VENDOR_DEFAULT
from signedin.model.results import ModelInfo
from signedin.providers.claude.messages import UNREADABLE, answered
from signedin.providers.shared.stored import unix_time

_MINUTES = {"five_hour": 300, "seven_day": 7 * 24 * 60}


class _Model(msgspec.Struct, frozen=True, rename="camel"):
    value: str
    resolved_model: str = ""
    display_name: str = ""
    supported_effort_levels: list[str] | None = None


class _InitializedModels(msgspec.Struct, frozen=True):
    models: list[_Model] = []


def models_in(answer: msgspec.Raw) -> list[ModelInfo]:
    """Returns the models that the answer to ``initialize`` names."""
    models = answered(answer, _InitializedModels).models
    default = next(
        (model.resolved_model for model in models if model.value == VENDOR_DEFAULT), None
    )
    offered = [model for model in models if model.value != VENDOR_DEFAULT]
    first = next((model for model in offered if model.resolved_model == default), None)
    return [
        ModelInfo(
            id=model.value,
            name=model.display_name or model.value,
            efforts=tuple(model.supported_effort_levels or ()),
            default=model is first,
            images=True,
        )
        for model in offered
    ]


def check_effort(answer: msgspec.Raw, effort: str | None) -> None:
    """Raises for an effort that Claude Code would ignore with a warning.

    Args:
        answer: The answer to ``initialize``, which names the efforts of each model.
        effort: The requested effort.

    Raises:
        InvalidOptionError: It is not one of them.
    """
    models = answered(answer, _InitializedModels).models
    known = dict.fromkeys(
        level for model in models for level in model.supported_effort_levels or ()
    )
    if effort is not None and known and effort not in known:
        raise InvalidOptionError(
            f"claude does not know the effort {effort!r}; known: {', '.join(known)}"
        )


class _Window(msgspec.Struct, frozen=True):
    utilization: float | None = None
    resets_at: str | None = None


class _Usage(msgspec.Struct, frozen=True):
    subscription_type: str | None = None
    rate_limits_available: bool = False
    rate_limits: Mapping[str, msgspec.Raw] | None = None


def limits_in(answer: msgspec.Raw) -> RateLimits | None:
    """Returns what the answer to ``get_usage`` reports about the plan; ``None`` if it is not known.

    Raises:
        AuthRequiredError: Not signed in with a plan.
    """
    usage = answered(answer, _Usage)
    if not usage.rate_limits_available:
        raise AuthRequiredError(
            f"claude reports limits only for a login with a plan. {how_to_sign_in('claude')}"
        )
    if usage.rate_limits is None:
        return None
    windows = {
        name: RateLimitWindow(
            used_percent=window.utilization,
            minutes=_MINUTES.get("_".join(name.split("_")[:2])),
            resets_at=unix_time(window.resets_at),
        )
        for name, raw in usage.rate_limits.items()
        if name.startswith(tuple(_MINUTES))
        and (window := _window(raw)) is not None
        and window.utilization is not None
    }
    return RateLimits(windows, plan=usage.subscription_type)


def _window(raw: msgspec.Raw) -> _Window | None:
    try:
        return msgspec.json.decode(raw, type=_Window | None)
    except UNREADABLE:
        return None  # of a newer form
