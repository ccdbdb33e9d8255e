"""How much turns may use before they are stopped."""

from __future__ import annotations

import math
from typing import cast

import msgspec

from signedin.model.errors import InvalidOptionError, Limit
from signedin.model.naming import Named

WORDS: dict[Limit, str] = {
    "tokens": "{:,.0f} tokens",
    "usd": "${:,.4f}",
    "model_calls": "{:,.0f} model calls",
    "tool_calls": "{:,.0f} tool calls",
    "seconds": "{:,.2f} seconds",
    "plan_percent": "{:g} % of the plan",
}
"""How an amount of each limit is written."""

_WHOLE = ("tokens", "model_calls", "tool_calls")


class Budget(msgspec.Struct, metaclass=Named, frozen=True, kw_only=True, repr_omit_defaults=True):
    """How much turns may use: those of whatever it is given to. What is ``None`` is not limited.

    Attributes:
        tokens: Input, also from the cache, and output.
        usd: US dollars, as the vendor reports them, else at list price by genai-prices.
        model_calls: Requests to the model. Only of providers that report each.
        tool_calls: Commands, file changes and calls of tools.
        seconds: How long turns run, one after the other or at once, all together.
        plan_percent: How full any window of the plan may become, whoever fills it. Only of
            providers that report the remaining quota of a plan.

    Raises:
        InvalidOptionError: A value cannot be used, or nothing is limited.
    """

    tokens: int | None = None
    usd: float | None = None
    model_calls: int | None = None
    tool_calls: int | None = None
    seconds: float | None = None
    plan_percent: float | None = None

    def __post_init__(self) -> None:
        """Checks the values, which annotations do not enforce."""
        for name, value in self.limits.items():
            number = isinstance(cast("object", value), int | float) and not isinstance(value, bool)
            if not number or not 0 < value < math.inf:
                raise InvalidOptionError(f"budget: {name} must be a positive number, not {value!r}")
            if name in _WHOLE and not isinstance(value, int):
                raise InvalidOptionError(f"budget: {name} must be a whole number, not {value!r}")
        if self.plan_percent is not None and self.plan_percent > 100:
            raise InvalidOptionError(
                f"budget: plan_percent must be 100 at most, not {self.plan_percent!r}"
            )
        if not self.limits:
            raise InvalidOptionError(f"budget: nothing is limited; give one of {', '.join(WORDS)}")

    @property
    def limits(self) -> dict[Limit, float]:
        """The limits that it has."""
        return {name: value for name in WORDS if (value := getattr(self, name)) is not None}
