"""Turns of an agent inside of signedin's sandbox and outside of it."""

import sys

from stopwatch import Stopwatch, chosen, serve

from signedin import Client

PROVIDER = sys.argv[2]


def first(sandbox: str) -> None:
    """A client of its own for each prompt, so that each starts an agent."""

    def job(prompt: str, watch: Stopwatch) -> str:
        with watch, Client(PROVIDER, sandbox=sandbox) as client:
            return client.run(prompt).text

    serve(job)


def warm(sandbox: str) -> None:
    """Turns of one session."""
    with Client(PROVIDER, sandbox=sandbox) as client, client.session() as session:

        def job(prompt: str, watch: Stopwatch) -> str:
            with watch:
                return session.run(prompt).text

        serve(job)


JOBS = {
    "first-without": lambda: first("off"),
    "first-within": lambda: first("workspace-write"),
    "warm-without": lambda: warm("off"),
    "warm-within": lambda: warm("workspace-write"),
}

if __name__ == "__main__":
    chosen(JOBS)()
