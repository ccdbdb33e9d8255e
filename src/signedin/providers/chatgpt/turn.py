"""One turn: asks the model, calls the functions it wants to have called, and asks again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

import msgspec

from signedin.model import events as e
from signedin.model.approvals import Host
from signedin.model.errors import ErrorKind, TurnFailedError
from signedin.model.results import answer_text
from signedin.providers.chatgpt.conversation import StoredTurn, arguments_of
from signedin.providers.chatgpt.messages import FunctionCall
from signedin.providers.chatgpt.requests import ResponseRequest, function_output, user_message
from signedin.providers.chatgpt.transport import AnswerStream, ChatGPTTransport
from signedin.providers.shared.turn_queue import TurnQueue
from signedin.runtime.aio import finish
from signedin.tools.content import TextContent
from signedin.tools.tool import ToolResult
from signedin.wire.gate import Gate
from signedin.wire.jsonl import encode


class ChatGPTTurn:
    """A running turn: buffers its events until they are requested.

    Args:
        transport: Sends the requests.
        stored: The turn as it is stored; filled while it runs.
        prepare: Returns the first request.
        session: The event it begins with, without its model.
        host: Calls the functions.
        max_requests: How often the model is asked.
        keep: Writes ``stored``; called at the beginning and at the end.
    """

    def __init__(
        self,
        transport: ChatGPTTransport,
        stored: StoredTurn,
        prepare: Callable[[], Awaitable[ResponseRequest]],
        session: e.SessionEvent,
        host: Host,
        *,
        max_requests: int,
        keep: Callable[[], Awaitable[None]],
    ) -> None:
        self._transport = transport
        self._stored = stored
        self._prepare = prepare
        self._session = session
        self._host = host
        self._max_requests = max_requests
        self._keep = keep
        self._messages: list[e.MessageEvent] = []
        self._usage = e.Usage()
        self._steered: list[str] = []
        self._is_over = False
        self._gate = Gate()
        self._queue: TurnQueue[e.Event] = TurnQueue(self._gate)
        self._work = asyncio.get_running_loop().create_task(self._run_to_end())
        self._work.add_done_callback(self._ended)

    @property
    def id(self) -> str | None:
        """The turn's id."""
        return self._stored.id

    async def next_events(self) -> Sequence[e.Event]:
        """Waits for events; see `ProviderTurn.next_events`."""
        return await self._queue.take()

    async def steer(self, text: str) -> None:
        """Adds to the prompt: the model reads it with the next request, of which there will be one.

        Raises:
            TurnFailedError: The turn has ended.
        """
        if self._is_over:
            raise TurnFailedError("the turn has ended", ErrorKind.INVALID_OPTION)
        self._steered.append(text)

    async def interrupt(self) -> None:
        """Stops the answer and the functions that run."""
        self._work.cancel()

    async def aclose(self) -> None:
        """Stops the turn if it is still running; its events so far are stored."""
        if not self._work.done():
            self._work.cancel()
            await asyncio.wait({self._work})
        self._queue.close()

    def _ended(self, work: asyncio.Task[None]) -> None:
        if work.cancelled():
            self._queue.put([e.DoneEvent(reason="interrupted", timestamp=time.time())])
        elif error := work.exception():
            self._queue.fail(error)
        self._queue.wake()

    async def _run_to_end(self) -> None:
        stored = self._stored
        try:
            await self._run()
            stored.reason = "completed"
        except Exception:
            stored.reason = "failed"
            raise
        finally:
            stored.text = answer_text(self._messages)
            await finish(self._keep())
        self._queue.put([e.DoneEvent(reason="completed", timestamp=time.time())])

    async def _run(self) -> None:
        request = await self._prepare()
        self._queue.put([msgspec.structs.replace(self._session, model=request.model)])
        self._queue.wake()
        await self._keep()
        earlier = request.input[: len(request.input) - len(self._stored.items)]
        for _ in range(self._max_requests):
            answer = self._transport.answer(request)
            await self._receive(answer)
            self._stored.items += await self._outputs(answer.calls)
            steered = [user_message(text) for text in self._steered]
            self._steered.clear()
            self._stored.items += [msgspec.Raw(encode(message)) for message in steered]
            if not answer.calls and not steered:
                self._is_over = True
                return
            request = msgspec.structs.replace(
                request,
                input=[*earlier, *self._stored.items],
                # A model that must call a tool every time could never answer.
                tool_choice="none" if request.tool_choice == "none" else "auto",
                turn_state=answer.turn_state,
            )
        raise TurnFailedError(
            f"the model was asked {self._max_requests} times and still calls tools; raise "
            "provider_options['max_requests'] if that is not too much",
            ErrorKind.OTHER,
        )

    async def _receive(self, answer: AnswerStream) -> None:
        try:
            async with answer:
                async for batch in answer.batches():
                    await self._emit(batch)
        finally:
            # An answer that fails has been paid for, too.
            self._stored.items += answer.items
            self._report(answer.usage)

    def _report(self, usage: e.Usage | None) -> None:
        if usage is None:
            return
        self._usage += usage
        event = e.UsageEvent(
            usage=self._usage,
            context_tokens=usage.total_tokens,
            context_window=self._transport.context_window(self._stored.model),
            timestamp=time.time(),
        )
        self._queue.put([event])
        self._queue.wake()

    async def _outputs(self, calls: Sequence[FunctionCall]) -> list[msgspec.Raw]:
        """Calls functions side by side; an exception is an output, too."""
        if not calls:
            return []
        async with asyncio.TaskGroup() as group:
            running = [group.create_task(self._call(call)) for call in calls]
        return [
            msgspec.Raw(encode(function_output(call.call_id, task.result())))
            for call, task in zip(calls, running, strict=True)
        ]

    async def _call(self, call: FunctionCall) -> ToolResult:
        arguments = arguments_of(call.arguments)
        started = e.ToolEvent(
            item_id=call.call_id,
            name=call.name,
            status="started",
            arguments=arguments,
            timestamp=time.time(),
            payload=msgspec.Raw(encode(call)),
        )
        await self._emit([started])
        begin = time.monotonic()
        if isinstance(arguments, str):
            text = f"wrong arguments for {call.name}: they are not a JSON object"
            result = ToolResult((TextContent(text),), error=True)
        else:
            result = await self._host.call_tool(call.name, arguments)
        ended = msgspec.structs.replace(
            started,
            status="failed" if result.error else "completed",
            result=None if result.error else _shown(result),
            error=result.text if result.error else None,
            seconds=time.monotonic() - begin,
            timestamp=time.time(),
        )
        await self._emit([ended])
        return result

    async def _emit(self, events: Sequence[e.Event]) -> None:
        """Passes events to the consumer, and waits while it has too many."""
        self._messages += [event for event in events if type(event) is e.MessageEvent]
        self._queue.put(events)
        self._queue.wake()
        # An answer that comes faster than it is read would not let the consumer run.
        await asyncio.sleep(0)
        await self._gate.opened()


def _shown(result: ToolResult) -> object:
    """The result of a function, as `ToolEvent.result`: its text, or several parts."""
    parts = [
        part.text if isinstance(part, TextContent) else part.data_url for part in result.content
    ]
    return parts[0] if len(parts) == 1 else parts
