"""Model and effort: our defaults, the caller's choice, and ``"default"``, the vendor's own."""

from collections.abc import Mapping
from typing import NamedTuple

import pytest

from signedin import Client
from support.rows import ROWS
from support.stage import Stage


class Choice(NamedTuple):
    """A model, by how its name begins, and an effort."""

    model: str
    effort: str | None


OURS = {
    "codex": Choice("gpt-5.5", "low"),
    "claude": Choice("claude-opus-", "low"),
    "gemini": Choice("gemini-2.5-pro", None),
}
"""For Codex and Gemini the model is the one that the loopback model's options name."""

OTHER = {
    "codex": Choice("gpt-5.6-luna", "high"),
    "claude": Choice("claude-sonnet-5", "high"),
    "gemini": Choice("gemini-2.5-flash", None),
}


def asked(stage: Stage) -> Choice:
    """What the last request asked for."""
    request = stage.requests[-1]
    body: Mapping[str, Mapping[str, str]] = request.body
    effort = {**body.get("reasoning", {}), **body.get("output_config", {})}.get("effort")
    return Choice(request.model, effort)


@pytest.mark.parametrize(
    "row",
    [row for row in ROWS if row.provider in OURS],
    ids=lambda row: row.name,
    indirect=True,
    scope="module",
)
def test_defaults_and_what_goes_before_them(client: Client, stage: Stage) -> None:
    stage.play("Done.")
    client.run("go")
    ours = asked(stage)
    expected = OURS[client.provider]
    assert ours.model.startswith(expected.model)
    assert ours.effort == expected.effort

    other = OTHER[client.provider]
    client.run("go", model=other.model, effort=other.effort)
    assert asked(stage) == other

    client.run("go", model="default", effort="default")
    vendors = asked(stage)
    assert vendors.model
    assert vendors.effort != "low"
