"""``signedin demo``: a real agent at work, without an account."""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import get_args

import click

from signedin.cli.documents import Checked
from signedin.cli.errors import UsageError
from signedin.cli.follow import follow
from signedin.cli.output import JsonLinesWriter, Presenter, write, write_json
from signedin.cli.streams import can_draw_on
from signedin.client.async_client import AsyncClient
from signedin.loopback import (
    EditFile,
    LoopbackModel,
    ReadFile,
    Reasoning,
    Reply,
    Script,
    Text,
    Usage,
    shell,
)
from signedin.model.approvals import ApprovalRequest, Decision, allow, deny
from signedin.model.choices import Permissions
from signedin.model.errors import SignedinError
from signedin.providers.shared.binary import require

PROVIDERS = ("codex", "claude", "gemini", "acp:opencode", "acp:qwen")
MODULE = "basket.py"
BUG = "    return sum(price for price, quantity in items)\n"
FIX = "    return sum(price * quantity for price, quantity in items)\n"
FILES = {
    MODULE: f'''"""A shopping basket."""


def total(items):
    """Return what all items cost, each given as (price, quantity)."""
{BUG}''',
    "test_basket.py": '''"""Tests of the basket."""

import unittest

from basket import total


class TotalTest(unittest.TestCase):
    def test_every_piece_is_paid_for(self):
        self.assertEqual(total([(3, 2), (5, 1)]), 11)
''',
}
# -B: bytecode of the file with the bug would be taken for that of the fixed one, written within
# the same second.
TEST = [sys.executable, "-B", "-m", "unittest"]
TEST_SECONDS = 60
READING_SECONDS = 0.02
PROMPT = "The test of this project fails. Find out why, fix it, and run the test again."


def _providers(_: click.Context, __: click.Parameter, incomplete: str) -> list[str]:
    return [name for name in PROVIDERS if name.startswith(incomplete)]


@click.command()
@click.option(
    "--provider",
    default="codex",
    metavar="NAME",
    help=f"The agent: {', '.join(PROVIDERS)}.",
    shell_complete=_providers,
)
@click.option(
    "--permissions",
    type=click.Choice(get_args(Permissions)),
    default="workspace-write",
    help="What the agent may do without asking.",
)
@click.option("--keep", is_flag=True, help="Keep the project the agent worked on, and say where.")
@click.option("--json", is_flag=True, help="Write JSON: a line per event, result and check.")
def demo(*, provider: str, permissions: Permissions, keep: bool, json: bool) -> None:
    """Watch a real agent fix a bug, without an account.

    In a scratch project the agent runs a failing test, reads and patches the file and runs the test
    again; where it asks before it runs a command, the test is allowed and nothing else.
    Its model is a script on 127.0.0.1; the agent, its sandbox, its commands and its patch are real.
    Afterwards the program runs the test itself, and fails if the bug is still there.
    """
    if provider not in PROVIDERS:
        raise UsageError(f"there is no demo of {provider!r}; choose one of: {', '.join(PROVIDERS)}")
    require(provider, AsyncClient(provider).installation())
    with _scratch_project(keep=keep) as project:
        if not json:
            write(
                f"The real {provider} at work. No account and no cost: its model is a script on"
                "\n127.0.0.1, and so are the tokens and prices it counts.\n\n"
            )
        is_watched = can_draw_on(sys.stdout) and not json
        model = LoopbackModel(script(project, delay=READING_SECONDS if is_watched else 0))
        asyncio.run(_run(provider, model, permissions, project, _presenter(json=json)))
        check_fix(project)
        if json:
            write_json(Checked(file_changed=True, test_passes=True))
        else:
            write(f"\nChecked: {MODULE} has changed, and its test passes now.\n")
        if keep:
            click.echo(f"kept: {project}", err=True)


def script(project: Path, *, delay: float) -> Script:
    """Returns what the model says and has the agent do, with a delay in seconds after each word."""
    test, module = shlex.join(TEST), str(project / MODULE)
    return Script(
        [
            Reply(
                [
                    Reasoning(
                        "**Seeing it fail**\n\nThe test says what is expected, so I run it first."
                    ),
                    Text("I run the test to see how it fails.", phase="commentary"),
                    shell(test),
                ],
                usage=Usage(input_tokens=4_210, cached_input_tokens=0, output_tokens=96),
                delay=delay,
            ),
            Reply(
                [Text("Now the code it tests.", phase="commentary"), ReadFile(module)],
                usage=Usage(input_tokens=4_390, cached_input_tokens=4_096, output_tokens=47),
                delay=delay,
            ),
            Reply(
                [
                    Reasoning("**Finding the cause**\n\n8 is 3 + 5: the quantity is not used."),
                    Text(
                        "`total` adds up the prices but **forgets the quantities**. I fix that.",
                        phase="commentary",
                    ),
                    EditFile(module, BUG, FIX),
                ],
                usage=Usage(input_tokens=4_480, cached_input_tokens=4_096, output_tokens=131),
                delay=delay,
            ),
            Reply(
                [Text("Now the same test again.", phase="commentary"), shell(test)],
                usage=Usage(input_tokens=4_660, cached_input_tokens=4_352, output_tokens=58),
                delay=delay,
            ),
            Reply(
                Text(
                    "The test passes.\n\n"
                    "- **Cause:** `total` in `basket.py` left out the quantity of each item.\n"
                    "- **Fix:** it now adds up `price * quantity`.\n",
                    phase="final_answer",
                ),
                usage=Usage(input_tokens=4_790, cached_input_tokens=4_608, output_tokens=64),
                delay=delay,
            ),
        ]
    )


def check_fix(project: Path) -> None:
    """Sees for itself whether the agent has fixed the bug.

    Raises:
        SignedinError: It has not.
    """
    if (project / MODULE).read_text() == FILES[MODULE]:
        raise SignedinError(
            f"the agent did not change {MODULE}; with --permissions read-only it may not, and if "
            "its sandbox cannot start on this machine, see above, try: "
            "signedin demo --permissions full-access"
        )
    test = subprocess.run(
        TEST, cwd=project, capture_output=True, text=True, timeout=TEST_SECONDS, check=False
    )
    if test.returncode != 0:
        raise SignedinError(f"the test still fails after the agent's change:\n{test.stderr}")


async def _run(
    provider: str,
    model: LoopbackModel,
    permissions: Permissions,
    project: Path,
    presenter: Presenter,
) -> None:
    async with model, AsyncClient(provider, **model.client_options(provider)) as client:
        turn = client.stream(PROMPT, cwd=project, permissions=permissions, on_approval=_decide)
        await follow(turn, [presenter])


def _decide(request: ApprovalRequest) -> Decision:
    return allow if request.command == shlex.join(TEST) else deny("the demo needs only its test")


def _presenter(*, json: bool) -> Presenter:
    if json:
        return JsonLinesWriter()
    from signedin.cli.terminal import turn_presenter  # noqa: PLC0415 - rich takes 80 ms

    return turn_presenter(sys.stdout)


@contextmanager
def _scratch_project(*, keep: bool) -> Generator[Path]:
    project = Path(tempfile.mkdtemp(prefix="signedin-demo-")).resolve()
    try:
        for name, content in FILES.items():
            (project / name).write_text(content)
        _commit(project)
        yield project
    finally:
        if not keep:
            shutil.rmtree(project, ignore_errors=True)


def _commit(project: Path) -> None:
    """Makes the project a git repository, where there is git."""
    if shutil.which("git") is None:
        return
    # Started from a git hook, the variables of its repository would make it this one.
    env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    env |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    who = ["-c", "user.name=signedin demo", "-c", "user.email=demo@localhost"]
    for arguments in (["init", "--quiet"], ["add", "."], [*who, "commit", "-qm", "A basket"]):
        subprocess.run(["git", *arguments], cwd=project, env=env, check=True, timeout=TEST_SECONDS)
