"""``signedin policy``: what rules answer, before an agent asks."""

from __future__ import annotations

from pathlib import Path

import click

from signedin.cli import options
from signedin.cli.documents import PolicyAnswer
from signedin.cli.errors import FAILURE, SUCCESS
from signedin.cli.output import write, write_json
from signedin.model.approvals import ApprovalRequest
from signedin.model.events import FileChange
from signedin.safety.policy.rules import Policy


@click.group(cls=options.Group)
def policy() -> None:
    """Try the rules of a policy."""


@policy.command()
@click.argument("action", help="The command line, file, host or tool to try.")
@click.option(
    "--policy",
    "file",
    type=options.FILE,
    default="policy.toml",
    metavar="FILE",
    help="The rules, as TOML.",
)
@click.option(
    "--kind",
    type=click.Choice(["command", "write", "read", "network", "tool"]),
    default="command",
    help="What is tried.",
)
@options.json
def test(*, action: str, file: Path, kind: str, json: bool) -> int:
    """Say which rule answers, and why.

    The exit code is 0 if the rules allow it, else 1.

    \b
    signedin policy test "git push"
    signedin policy test --policy strict.toml --kind write src/main.py
    """
    found = Policy.from_file(file).answer(_request(kind, action), Path.cwd())
    if json:
        write_json(PolicyAnswer(found.verdict, found.why, found.number, found.part))
    else:
        write(f"{found.verdict or 'no rule'}: {found.why}\n")
    return SUCCESS if found.verdict == "allow" else FAILURE


def _request(kind: str, action: str) -> ApprovalRequest:
    match kind:
        case "command":
            return ApprovalRequest(subject="command", item_id="", command=action)
        case "write":
            change = FileChange(action, "update")
            return ApprovalRequest(subject="file_change", item_id="", changes=(change,))
        case "network":
            return ApprovalRequest(subject="network", item_id="", arguments={"host": action})
        case "read":
            return ApprovalRequest(
                subject="tool", item_id="", tool="read", arguments={"path": action}
            )
        case _:
            return ApprovalRequest(subject="tool", item_id="", tool=action)
