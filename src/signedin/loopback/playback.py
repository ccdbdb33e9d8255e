"""Playing a reply to a client: when the bytes go out, and how the answer ends."""

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping

from signedin.loopback.api import Delta, Stream
from signedin.loopback.parts import Hold
from signedin.loopback.script import Cut, Hang, HttpError, Reply
from signedin.wire.http import HttpResponse

_BATCH = 64 * 1024
"""Bytes gathered before they are written, so that thousands of deltas take few writes."""


async def play(
    reply: Reply,
    stream: Stream,
    response: HttpResponse,
    pass_gate: Callable[[str], Awaitable[None]],
) -> None:
    """Send `reply`, which is `stream` on the wire, waiting at its gates and delays.

    A reply that ends in `Cut` leaves `response` unfinished; one that ends in `Hang` never returns.
    """
    await asyncio.sleep(reply.wait)
    await response.start(
        200, {"Content-Type": stream.content_type, "Cache-Control": "no-store", **reply.headers}
    )
    await response.write(stream.opening())
    await _play_content(reply, stream, response, pass_gate)
    match reply.ending:
        case Cut():
            return
        case Hang():
            await asyncio.Event().wait()
        case ending:
            await response.write(stream.closing(ending))
            await response.finish()


async def _play_content(
    reply: Reply,
    stream: Stream,
    response: HttpResponse,
    pass_gate: Callable[[str], Awaitable[None]],
) -> None:
    last = reply.ending.after if reply.ending else None
    sent = 0
    batch = bytearray()
    if last == 0:
        return
    for piece in stream.pieces():
        match piece:
            case Hold():
                await response.write(_taken(batch))
                await pass_gate(piece.name)
            case Delta():
                if sent and reply.delay:
                    await response.write(_taken(batch))
                    await asyncio.sleep(reply.delay)
                sent += 1
                batch += piece.data
            case _:
                batch += piece
        if sent == last:
            break
        if len(batch) >= _BATCH:
            await response.write(_taken(batch))
    await response.write(_taken(batch))


async def refuse(error: HttpError, response: HttpResponse) -> None:
    """Send `error`, whose body an API module has filled in."""
    if isinstance(error.body, Mapping):
        kind, body = "application/json", json.dumps(error.body)
    else:
        kind, body = "text/plain; charset=utf-8", error.body or error.message
    await response.send(error.status, {"Content-Type": kind, **error.headers}, body.encode())


async def send_json(
    body: Mapping[str, object], response: HttpResponse, *, unless: str | None = None
) -> None:
    """Send a complete answer with its `ETag`, or 304 if the client has the one `unless` names."""
    data = json.dumps(body).encode()
    etag = f'"{hashlib.sha256(data).hexdigest()[:16]}"'
    if etag == unless:
        await response.send(304, {"ETag": etag}, b"")
    else:
        await response.send(200, {"Content-Type": "application/json", "ETag": etag}, data)


def _taken(batch: bytearray) -> bytes:
    taken = bytes(batch)
    batch.clear()
    return taken
