"""Counts what turns use, for the budgets that hold for them, and stops them when one is used up.

A `Meter` counts for one budget and lives as long as what that was given to; a `TurnMeter` counts
one turn for all of them, from its events, so that it is the same with every provider.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from importlib.util import find_spec

from signedin.model.budget import WORDS, Budget
from signedin.model.capabilities import Capabilities, CommonCapabilities, who_lacks
from signedin.model.errors import (
    BudgetExceededError,
    InvalidOptionError,
    Limit,
    MissingExtraError,
    SignedinError,
    UnsupportedOptionError,
)
from signedin.model.events import (
    CommandEvent,
    Event,
    FallbackEvent,
    FileChangeEvent,
    RateLimitEvent,
    RateLimits,
    RateLimitWindow,
    SessionEvent,
    ToolEvent,
    Usage,
    UsageEvent,
)
from signedin.model.extras import install_command
from signedin.model.options import TurnOptions, chosen
from signedin.providers.base import Provider
from signedin.runtime.aio import aside

_NEEDS: dict[Limit, str] = {
    "tokens": "usage",
    "usd": "usage",
    "model_calls": "usage_during",
    "plan_percent": "limits",
}
"""The capability that a limit needs to be counted."""

_ON_THEIR_OWN = ("seconds", "plan_percent")
"""What grows while nothing happens in a turn: where the limit is reached, it is exceeded next."""

_COUNTED = frozenset(
    {
        CommandEvent,
        FallbackEvent,
        FileChangeEvent,
        RateLimitEvent,
        SessionEvent,
        ToolEvent,
        UsageEvent,
    }
)
"""Events that count; most others are deltas, of which there may be tens of thousands."""


class Meter:
    """Counts what is used of a budget, by the turns that share it, in one event loop.

    Given as ``budget=`` to several clients, it is shared by them.

    Args:
        budget: The budget.
        owner: What it was given to, for messages.
        before: Counted until now; it continues from there, except for the plan.
    """

    def __init__(self, budget: Budget, owner: str, before: Meter | None = None) -> None:
        self.budget = budget
        self._owner = owner
        self._limits = budget.limits
        self._used: dict[Limit, float] = dict.fromkeys(self._limits, 0)
        if before is not None:
            self._used |= {limit: n for limit, n in before.counts.items() if limit in self._used}
        self._windows: dict[str, RateLimitWindow] | None = None
        self._running: dict[TurnMeter, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    @property
    def wants_windows(self) -> bool:
        """Whether it depends on a plan of which nothing is known yet."""
        return self.budget.plan_percent is not None and self._windows is None

    @property
    def counts(self) -> Mapping[Limit, float]:
        """What turns have used of each limit; the plan is not counted but looked at."""
        self._note_seconds()
        return self._used

    @property
    def used(self) -> Mapping[Limit, float]:
        """What has been used of each limit; of the plan nothing before that is known."""
        _, window = self._fullest()
        return {**self.counts, "plan_percent": window.used_percent if window else 0}

    def refuse_if_used_up(self) -> None:
        """Refuses a turn that is about to be sent.

        Raises:
            BudgetExceededError: Nothing is left.
        """
        self._note_seconds()
        if error := self._error("not sent: ", at_limit=True):
            raise error

    def add(self, limit: Limit, amount: float) -> bool:
        """Counts what a turn has used, and stops all if that is too much; returns whether it is."""
        if limit not in self._used or not amount:
            return False
        self._used[limit] += amount
        self._stop_if_exceeded()
        return self._used[limit] > self._limits[limit]

    def take_limits(self, limits: RateLimits) -> None:
        """Notes the remaining quota of the plan, and stops all if that is too little."""
        if self.budget.plan_percent is not None:
            self._windows = {**(self._windows or {}), **limits.windows}
            self._stop_if_exceeded()

    def forget_plan(self) -> None:
        """Forgets how full the plan is: another one pays from now on."""
        if self._windows is not None:
            self._windows = {}

    def begin(self, turn: TurnMeter) -> None:
        """Counts the seconds of a turn from now on."""
        self._note_seconds()
        self._running[turn] = time.monotonic()
        self._set_timer()

    def end(self, turn: TurnMeter) -> None:
        """Counts the seconds of a turn no longer."""
        self._note_seconds()
        self._running.pop(turn, None)
        self._set_timer()

    def _note_seconds(self) -> None:
        if "seconds" in self._used:
            now = time.monotonic()
            self._used["seconds"] += sum(now - since for since in self._running.values())
            self._running = dict.fromkeys(self._running, now)

    def _set_timer(self) -> None:
        """Stops everything when the seconds are used up, which are as many as turns run."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if "seconds" in self._used and self._running:
            left = max(self._limits["seconds"] - self._used["seconds"], 0.0)
            wait = left / len(self._running)
            self._timer = asyncio.get_running_loop().call_later(wait, self._time_is_up)

    def _time_is_up(self) -> None:
        self._note_seconds()
        # A timer may be early, by the resolution of the clock.
        self._used["seconds"] = max(self._used["seconds"], self._limits["seconds"])
        self._stop_if_exceeded()

    def _stop_if_exceeded(self) -> None:
        for turn in list(self._running):
            if error := self._error():
                turn.stop(error)

    def _error(self, beginning: str = "", *, at_limit: bool = False) -> BudgetExceededError | None:
        """Returns the error for the first limit that is exceeded, or reached ``at_limit``."""
        for limit, allowed in self._limits.items():
            name, window = self._fullest() if limit == "plan_percent" else ("", None)
            used = window.used_percent if window else self._used[limit]
            stops = used >= allowed if at_limit or limit in _ON_THEIR_OWN else used > allowed
            if stops:
                budget = f"the {self._owner}'s budget of {WORDS[limit].format(allowed)}"
                fact = f"window {name!r} is {used:g} % used" if name else WORDS[limit].format(used)
                return BudgetExceededError(
                    f"{beginning}{budget} is used up: {fact}",
                    limit=limit,
                    used=used,
                    allowed=allowed,
                    owner=self._owner,
                    resets_at=window.resets_at if window else None,
                )
        return None

    def _fullest(self) -> tuple[str, RateLimitWindow | None]:
        """The window of the plan that is used most, of those that have not been reset since."""
        now = time.time()
        windows = {
            name: window
            for name, window in (self._windows or {}).items()
            if window.resets_at is None or window.resets_at > now
        }
        name = max(windows, key=lambda name: windows[name].used_percent, default="")
        return name, windows.get(name)


class TurnMeter:
    """Counts one turn, for all budgets that hold for it.

    Args:
        options: How it was asked for.
        capabilities: What its provider reports.

    Attributes:
        error: Why the turn has to stop.
        on_error: Called when it has to.
        at_fault: Whether it has to because of what it has used itself.
    """

    def __init__(self, options: TurnOptions, capabilities: Capabilities) -> None:
        self.error: SignedinError | None = None
        self.on_error: Callable[[], None] = _nothing
        self.at_fault = False
        self._meters = options.budget
        self._model = self._asked_model = chosen(options.model)
        self._is_priced = _has_price(options)
        self._vendor_prices = capabilities.cost
        self._usage = Usage()
        self._agents: dict[str, Usage] = {}
        self._usd = 0.0
        self._calls: set[str] = set()
        self._asks_again = False

    def begin(self) -> None:
        """The turn begins."""
        for meter in self._meters:
            meter.begin(self)

    def end(self) -> None:
        """The turn has ended. Idempotent."""
        for meter in self._meters:
            meter.end(self)

    def stop(self, error: SignedinError) -> None:
        """Stops the turn, for the first reason there is."""
        if self.error is None:
            self.error = error
            self.on_error()

    def take(self, events: Iterable[Event]) -> None:
        """Counts what happened."""
        for event in [each for each in events if type(each) in _COUNTED or each.agent]:
            if event.agent is not None and event.agent.usage is not None:
                self._take_agent(event.agent.id, event.agent.usage)
            match event:
                case UsageEvent():
                    self._take_usage(event)
                case CommandEvent() | FileChangeEvent() | ToolEvent():
                    self._take_call(event)
                case RateLimitEvent():
                    for meter in self._meters:
                        meter.take_limits(event.limits)
                case FallbackEvent():
                    self._begin_anew()
                case SessionEvent(model=str(model)):
                    self._model = model
                    self._price(Usage())
                case _:
                    pass

    def _begin_anew(self) -> None:
        """Another provider continues: it counts from zero, and has a plan of its own."""
        self._usage, self._usd = Usage(), 0.0
        self._calls, self._asks_again = set(), False
        self._model = self._asked_model
        for meter in self._meters:
            meter.forget_plan()

    def _take_usage(self, event: UsageEvent) -> None:
        before, self._usage = self._usage, event.usage
        self._model = event.model or self._model
        if used := _tokens(event.usage) - _tokens(before):  # some report the same twice
            self._add("model_calls", 0 if self._asks_again else 1)
            self._asks_again = False
            self._add("tokens", used)
        self._price(event.usage)

    def _take_agent(self, agent_id: str, usage: Usage) -> None:
        """Counts what a subagent has used, which is not part of the usage of the turn."""
        before, self._agents[agent_id] = self._agents.get(agent_id, Usage()), usage
        if used := _tokens(usage) - _tokens(before):
            self._add("model_calls", 1)
            self._add("tokens", used)
            now, then = (each.of_model(self._model).cost_usd or 0.0 for each in (usage, before))
            self._add("usd", now - then if self._is_priced else 0.0)

    def _price(self, usage: Usage) -> None:
        """Counts the dollars; a vendor that reports them may do so at the end only."""
        if not self._is_priced:
            return
        usd = usage.of_model(self._model).cost_usd
        if usd is not None:
            before, self._usd = self._usd, usd
            self._add("usd", usd - before)
        elif not self._vendor_prices:
            self.at_fault = True
            self.stop(_unpriced(self._model))

    def _take_call(self, event: CommandEvent | FileChangeEvent | ToolEvent) -> None:
        if event.item_id not in self._calls:
            self._calls.add(event.item_id)
            self._add("tool_calls", 1)
        is_asked_about = event.agent is None or event.agent.usage is None
        if event.status not in {"started", "output"} and not self._asks_again and is_asked_about:
            self._asks_again = True  # the model is asked what to do with what came of it
            self._add("model_calls", 1)

    def _add(self, limit: Limit, amount: float) -> None:
        exceeded = [meter.add(limit, amount) for meter in self._meters]
        self.at_fault = self.at_fault or any(exceeded)


def meters_of(value: object, owner: str) -> tuple[Meter, ...]:
    """Returns the meter for what was given as ``budget=``.

    A meter is shared by all that it is given to.

    Raises:
        InvalidOptionError: It is not a budget.
    """
    match value:
        case None:
            return ()
        case Meter():
            return (value,)
        case Budget():
            return (Meter(value, owner),)
        case _:
            raise InvalidOptionError(f"budget must be a Budget, not {value!r}")


def turn_meter(provider: str, capabilities: Capabilities, options: TurnOptions) -> TurnMeter | None:
    """Returns what counts a turn, if a budget holds for it.

    Raises:
        UnsupportedOptionError: A limit cannot be counted with this provider.
    """
    for meter in options.budget:
        check_countable(provider, capabilities, meter.budget)
    return TurnMeter(options, capabilities) if options.budget else None


def check_countable(provider: str, capabilities: Capabilities, budget: Budget) -> None:
    """Refuses a budget whose limits a provider does not report.

    Raises:
        UnsupportedOptionError: With the first of them.
    """
    for limit, capability in _NEEDS.items():
        if limit in budget.limits and not getattr(capabilities, capability):
            who = who_lacks(capability, provider, capabilities)
            hint = "it is not reported through this transport"
            if isinstance(capabilities, CommonCapabilities) and who == provider:
                hint = "each of them has its own; give the budget to a client of one"
            raise UnsupportedOptionError(who, f"budget={limit}", hint)


async def admit(provider: Provider, capabilities: Capabilities, options: TurnOptions) -> None:
    """Refuses a turn before anything of it is sent.

    Raises:
        BudgetExceededError: A budget is used up.
        SignedinError: A budget cannot be held: the price or the remaining quota is not known.
    """
    for meter in options.budget:
        meter.refuse_if_used_up()
    if _has_price(options) and not capabilities.cost:
        await aside(lambda: _check_price(chosen(options.model)))
    if wanting := [meter for meter in options.budget if meter.wants_windows]:
        limits = await provider.limits(options)
        for meter in wanting:
            meter.take_limits(limits)
            meter.refuse_if_used_up()


def _check_price(model: str | None) -> None:
    """Refuses a model without a price. The model of the vendor's choice is known later."""
    if find_spec("genai_prices") is None:
        raise MissingExtraError(
            "the list of prices that a budget in dollars needs",
            "genai-prices",
            install_command("prices"),
        )
    from signedin.model.prices import unit_prices  # noqa: PLC0415 - seldom needed

    if unit_prices(model or "") is None and model is not None:
        raise _unpriced(model)


def _unpriced(model: str | None) -> InvalidOptionError:
    return InvalidOptionError(
        f"budget=usd: the price of the model {model!r} is not known; limit tokens instead"
    )


def _has_price(options: TurnOptions) -> bool:
    return any(meter.budget.usd is not None for meter in options.budget)


def _tokens(usage: Usage) -> int:
    return usage.input_tokens + usage.output_tokens


def _nothing() -> None:
    """Stands in for a turn that is not there yet."""
