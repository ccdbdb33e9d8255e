"""Several providers in one client."""

from typing import assert_type

from signedin import Client, Fallback, FallbackEvent

client = Client(["claude", ("codex", {"model": "gpt-5.5", "env": {}})], on_limit="next")
waiting = Client("codex", on_limit="wait")


def used_up() -> list[str]:
    result = client.run("Go.")
    assert_type(result.fallbacks, tuple[Fallback, ...])
    return [event.successor for event in result.events if isinstance(event, FallbackEvent)]
