"""What is said with each turn of a thread, since Codex applies what was said last."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET

from signedin.providers.codex.app_server import store
from signedin.providers.codex.app_server.process import AppServer
from signedin.providers.codex.options import REVIEWER, CodexOptions


class _Configured(msgspec.Struct):
    model_reasoning_effort: str | None = None
    model_reasoning_summary: str | None = None
    service_tier: str | None = None


class _ConfigRead(msgspec.Struct):
    config: _Configured


class TurnSettings:
    """Says what holds for a turn, and takes back what was only said for an earlier one.

    For a thread it has loaded, Codex does not look at what ``thread/resume`` says (seen with codex
    0.163 and 0.169).

    Args:
        stored: Whether the thread had turns of which nobody knows what was said with them.
    """

    def __init__(self, *, stored: bool) -> None:
        self._said: set[str] = {"effort", "summary", "service_tier"} if stored else set()

    async def of(self, server: AppServer, asked: CodexOptions, model: str | None) -> dict[str, Any]:
        """Returns the settings of a turn, by the names of `TurnStartParams`."""
        model = asked.model or model
        chosen: dict[str, object] = {
            "effort": asked.effort,
            "summary": asked.summary,
            "service_tier": asked.keys.service_tier,
        }
        said = {name: value for name, value in chosen.items() if value is not None}
        if forgotten := self._said - said.keys():
            usual = await _usual(server, asked, model)
            said |= {name: usual[name] for name in forgotten}
        self._said |= said.keys()
        return {
            "cwd": str(asked.turn.cwd),
            "model": model or UNSET,
            "sandbox_policy": asked.sandbox_policy,
            "approval_policy": asked.approval_policy,
            "approvals_reviewer": REVIEWER,
            **said,
        }


async def _usual(server: AppServer, asked: CodexOptions, model: str | None) -> dict[str, object]:
    """Returns what Codex does if nothing is said."""
    params = {
        "includeLayers": False,
        "cwd": str(asked.turn.cwd) if asked.turn.trust_project else None,
    }
    configured = (await server.call("config/read", params, _ConfigRead)).config
    effort: object = configured.model_reasoning_effort
    if effort is None and asked.effort is None:
        models = await store.all_models(server, include_hidden=True)
        known = (one.default_reasoning_effort for one in models if one.model == model)
        effort = next(known, None) or UNSET
    return {
        "effort": effort,
        "summary": configured.model_reasoning_summary or "none",
        "service_tier": configured.service_tier,
    }
