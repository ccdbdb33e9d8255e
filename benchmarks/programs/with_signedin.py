"""The jobs, done with signedin."""

import asyncio
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from stopwatch import Stopwatch, chosen, only, serve

from signedin import AsyncClient, Client, tool

PROVIDER = sys.argv[2]
AT_ONCE = 16


def turn() -> None:
    """Turns of one session."""
    with Client(PROVIDER) as client, client.session() as session:

        def job(prompt: str, watch: Stopwatch) -> str:
            with watch:
                return session.run(prompt).text

        serve(job)


def run() -> None:
    """A session of its own for each prompt."""
    with Client(PROVIDER) as client:

        def job(prompt: str, watch: Stopwatch) -> str:
            with watch:
                return client.run(prompt).text

        serve(job)


def run_again() -> None:
    """The same right after another prompt, so that what has to be tidied up counts."""
    with Client(PROVIDER) as client:

        def job(prompt: str, watch: Stopwatch) -> str:
            client.run(prompt)
            with watch:
                return client.run(prompt).text

        serve(job)


def stream() -> None:
    """All events of a turn, one by one."""
    with Client(PROVIDER) as client:

        def job(prompt: str, watch: Stopwatch) -> str:
            text = ""
            with client.session() as session, watch:
                for event in session.stream(prompt):
                    if event.kind == "message_delta":
                        text += event.text
            return text

        serve(job)


def stream_async() -> None:
    """The same in an event loop."""
    with asyncio.Runner() as runner:
        client = AsyncClient(PROVIDER)

        async def collected(prompt: str, watch: Stopwatch) -> str:
            text = ""
            async with client.session() as session:
                with watch:
                    async for event in session.stream(prompt):
                        if event.kind == "message_delta":
                            text += event.text
            return text

        serve(lambda prompt, watch: runner.run(collected(prompt, watch)))
        runner.run(client.aclose())


def many() -> None:
    """Turns at once, each in a session of its own."""
    with asyncio.Runner() as runner:
        client = AsyncClient(PROVIDER)

        async def together(prompt: str, watch: Stopwatch) -> str:
            with watch:
                results = await asyncio.gather(*(client.run(prompt) for _ in range(AT_ONCE)))
            return only([result.text for result in results])

        serve(lambda prompt, watch: runner.run(together(prompt, watch)))
        runner.run(client.aclose())


def items() -> None:
    """All items of a turn, each piece by piece."""
    with asyncio.Runner() as runner:
        client = AsyncClient(PROVIDER)

        async def collected(prompt: str, watch: Stopwatch) -> str:
            text = ""
            async with client.session() as session:
                with watch:
                    async with session.stream(prompt) as turn:
                        async for item in turn.items():
                            async for piece in item.stream():
                                text += piece
            return text

        serve(lambda prompt, watch: runner.run(collected(prompt, watch)))
        runner.run(client.aclose())


def tool_call() -> None:
    """Turns of one session, in each of which the agent calls a Python function."""

    @tool
    async def echo(text: str) -> str:
        """Gives back what it is given."""
        return text

    with Client(PROVIDER) as client, client.session(tools=[echo]) as session:

        def job(prompt: str, watch: Stopwatch) -> str:
            with watch:
                return session.run(prompt).text

        serve(job)


def fifty() -> None:
    """Fifty turns at once, each in a session of its own."""
    with asyncio.Runner() as runner:
        client = AsyncClient(PROVIDER)

        async def together(prompt: str, watch: Stopwatch) -> str:
            with watch:
                results = await asyncio.gather(*(client.run(prompt) for _ in range(50)))
            return only([result.text for result in results])

        serve(lambda prompt, watch: runner.run(together(prompt, watch)))
        runner.run(client.aclose())


def batch() -> None:
    """A hundred rows with a journal."""
    with Client(PROVIDER) as client:

        def job(prompt: str, watch: Stopwatch) -> str:
            rows = ({"id": number} for number in range(100))
            with TemporaryDirectory() as folder, watch:
                journal = Path(folder) / "run.db"
                made = client.batch(rows, prompt=prompt, key="id", journal=journal)
                return only([outcome.unwrap().text for outcome in made.run()])

        serve(job)


JOBS = {
    "turn": turn,
    "run": run,
    "run-again": run_again,
    "stream": stream,
    "stream-async": stream_async,
    "many": many,
    "items": items,
    "tool": tool_call,
    "fifty": fifty,
    "batch": batch,
}

if __name__ == "__main__":
    chosen(JOBS)()
