"""Answers rows in this process, with the client the batch was made by."""

from __future__ import annotations

from contextlib import aclosing, nullcontext
from typing import TYPE_CHECKING

import msgspec

from signedin.client.attempts import ResultOf, run_to_end
from signedin.client.turn import AsyncTurn
from signedin.jobs.batch.journal import Claimed
from signedin.jobs.batch.runner import OnSession
from signedin.model.errors import ErrorKind, SignedinError
from signedin.model.events import SessionEvent
from signedin.model.options import TurnOptions
from signedin.model.results import RunResult

if TYPE_CHECKING:
    from signedin.client.async_client import AsyncClient

_CONTINUE = """\
You were interrupted while you worked on the task below. Look at how far you got, and continue \
there without doing anything twice. Then give the final answer, also if you had given it already.

{prompt}"""


class LocalExecutor:
    """Answers rows with a client.

    Args:
        client: The client.
        options: What its turns are asked for.
    """

    def __init__(self, client: AsyncClient, options: TurnOptions) -> None:
        self._client = client
        self._options = options

    async def answer(self, row: Claimed, prompt: str, on_session: OnSession) -> RunResult[object]:
        """Has a row answered; see `Executor.answer`."""

        async def result_of(turn: AsyncTurn[object]) -> RunResult[object]:
            async with turn:
                first = await turn.next_batch()
                if first and isinstance(first[0], SessionEvent):
                    await on_session(first[0].session_id)
                return await turn.result()

        if row.session is not None:
            try:
                return await self._continued(row.session, prompt, result_of)
            except SignedinError as error:
                if not _is_unknown(error):
                    raise
        return await run_to_end(
            lambda: aclosing(self._client.session()), prompt, self._options, result_of=result_of
        )

    async def _continued(
        self, session_id: str, prompt: str, result_of: ResultOf
    ) -> RunResult[object]:
        options = self._options
        if not self._client.capabilities.roll_back:
            options = msgspec.structs.replace(options, retry=None)
        async with aclosing(self._client.session(resume=session_id)) as session:
            return await run_to_end(
                lambda: nullcontext(session),
                _CONTINUE.format(prompt=prompt),
                options,
                roll_back=session.roll_back,
                result_of=result_of,
            )


def _is_unknown(error: SignedinError) -> bool:
    """Whether there is no such conversation: its process died before the vendor stored anything."""
    events = error.result.events if error.result else ()
    has_begun = any(isinstance(event, SessionEvent) for event in events)
    return error.kind is ErrorKind.INVALID_OPTION and not has_begun
