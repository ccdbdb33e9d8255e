"""Subagents of Codex: threads of their own, as events of the turn that started them.

Wire facts seen with codex 0.163 and 0.169: a subagent's thread is first named at the end of the
call that starts it. Its turn begins after that, or just before on a busy machine.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from signedin.model import events as e
from signedin.providers.codex import protocol as p
from signedin.providers.codex.app_server.normalise import TurnNormaliser

_ENDS = (e.DoneEvent, e.ErrorEvent, e.UsageEvent)
"""What counts for a turn, and must not for the one that the subagent belongs to."""


class AgentThread:
    """Translates the notifications about one subagent.

    Args:
        thread_id: Its thread.
        task: What it was asked.
        cwd: The working directory of the turn that started it.
    """

    def __init__(self, thread_id: str, task: str, cwd: Path) -> None:
        self._agent = e.Subagent(id=thread_id, task=task)
        self._normaliser = TurnNormaliser(cwd=cwd)
        self._turn_id: str | None = None

    def events(self, method: str, params: p.Incoming | None, line: bytes) -> list[e.Event]:
        """Returns the events of one notification."""
        if isinstance(params, p.TurnStartedNotification):
            self._turn_id = params.turn.id
            self._agent = msgspec.structs.replace(self._agent, status="running")
        events = self._normaliser.events(method, params, line, turn_id=self._turn_id)
        return [self._of_agent(method, event) for event in events]

    def _of_agent(self, method: str, event: e.Event) -> e.Event:
        match event:
            case e.UsageEvent():
                self._agent = msgspec.structs.replace(self._agent, usage=event.usage)
            case e.DoneEvent():
                ended = event.reason if event.reason in ("completed", "interrupted") else "failed"
                self._agent = msgspec.structs.replace(self._agent, status=ended)
            case e.MessageEvent():
                # What a subagent says is not the answer to the user.
                event = msgspec.structs.replace(event, phase="commentary")
            case _:
                pass
        if isinstance(event, _ENDS):
            text, payload = event.text, event.payload
            event = e.OtherEvent(name=method, text=text, timestamp=event.timestamp, payload=payload)
        return msgspec.structs.replace(event, agent=self._agent)
