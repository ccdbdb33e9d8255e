"""Whatever agents send: the readers of ACP make events of it, or pass it on."""

import msgspec

from faults.fuzz import golden
from faults.fuzz.cases import rows
from signedin import DoneEvent, Event
from signedin.providers.acp import protocol as acp
from signedin.providers.acp.normalise import TurnNormaliser
from signedin.providers.acp.store import Replay
from signedin.wire.jsonl import JsonLines


class Row(msgspec.Struct):
    """A message as far as the connection reads it."""

    params: msgspec.Raw = msgspec.Raw(b"{}")


def test_updates() -> None:
    for case in rows(*golden.ACP_TURNS):
        with case:
            lines, normaliser, replay = JsonLines(Row), TurnNormaliser("/w"), Replay("/w")
            events: list[Event] = []
            for line, row in [*lines.feed(case.data), *lines.close()]:
                if not isinstance(row, Row):
                    continue
                try:
                    update = msgspec.json.decode(row.params, type=acp.SessionUpdate).update
                except acp.UNREADABLE:
                    update = acp.Update()
                told = normaliser.update(update, row.params, line)
                assert told
                events += told
                replay.on_update(update, row.params, line)
            events += normaliser.end(acp.PromptResult("end_turn"), msgspec.Raw(b"null"))
            assert isinstance(events[-1], DoneEvent)
            for turn in replay.finish():
                repr(turn)
            msgspec.json.encode(events)
