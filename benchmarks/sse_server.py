"""Streams one long answer to every request until its stdin is closed; prints its address first.

Each event is an HTTP chunk of its own, as a model server sends it, and has the form that the
Responses API gives it. Nothing is computed per request, so that only the client is measured. Below
``/first`` nothing comes after the first delta.
"""

import asyncio
import json
import sys
from itertools import count

from benchmarks.answers import long_answer

DELTAS = 20_000
FIRST_EVENTS = 5
"""How many events there are up to the first delta."""


def events() -> list[bytes]:
    numbers = count()

    def event(name: str, **fields: object) -> bytes:
        data = json.dumps({"type": name, "sequence_number": next(numbers), **fields})
        return f"event: {name}\ndata: {data}\n\n".encode()

    text = long_answer(DELTAS)
    size = len(text) // DELTAS
    started = {"id": "resp_1", "object": "response", "model": "m", "status": "in_progress"}
    where = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    item = {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed"}
    whole = {"type": "output_text", "text": text, "annotations": []}
    return [
        event("response.created", response={**started, "output": []}),
        event("response.in_progress", response={**started, "output": []}),
        event("response.output_item.added", output_index=0, item={**item, "content": []}),
        event("response.content_part.added", **where, part={**whole, "text": ""}),
        *(
            event(
                "response.output_text.delta",
                **where,
                delta=text[start : start + size],
                logprobs=[],
                obfuscation="x" * 18,
            )
            for start in range(0, len(text), size)
        ),
        event("response.output_item.done", output_index=0, item={**item, "content": [whole]}),
        event(
            "response.completed",
            response={
                **started,
                "status": "completed",
                "output": [],
                "usage": {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15},
            },
        ),
    ]


async def serve() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
    head += b"Transfer-Encoding: chunked\r\n\r\n"
    chunks = [b"%x\r\n%b\r\n" % (len(event), event) for event in events()]
    until_first = head + b"".join(chunks[:FIRST_EVENTS])
    whole = head + b"".join(chunks) + b"0\r\n\r\n"

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                asked = (await reader.readuntil(b"\r\n\r\n")).lower()
                _, _, rest = asked.partition(b"content-length:")
                await reader.readexactly(int(rest.split(b"\r\n")[0] or 0))
                writer.write(until_first if asked.startswith(b"post /first/") else whole)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client has gone
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve())
