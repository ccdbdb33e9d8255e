"""Structured output, validated locally."""

from dataclasses import dataclass

from signedin import Client, OutputError


@dataclass
class Verdict:
    """Whether two things are related."""

    related: bool
    why: str


with Client("codex") as client:
    try:
        verdict = client.run("Are a walrus and a seal related?", output=Verdict).output
    except OutputError as error:
        print("no verdict:", error.text)
    else:
        print("related" if verdict.related else "not related", "-", verdict.why)
