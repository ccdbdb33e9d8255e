"""``signedin best-of``: several agents do the same, each in a worktree; the best is taken."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast, get_args

import click

from signedin.cli import options, values
from signedin.cli.documents import (
    BestOfDocument,
    CandidateDocument,
    CheckDocument,
    Ending,
    Failure,
    VerdictDocument,
)
from signedin.cli.errors import FAILURE, SUCCESS
from signedin.cli.piped import PipedInput, StdinMode
from signedin.cli.tables import aligned
from signedin.cli.worktree import hand_over
from signedin.client.async_client import AsyncClient
from signedin.jobs.best_of import AsyncBestOf, Candidate, Contestant, async_best_of, check_word
from signedin.model import choices


@click.command()
@click.argument("prompt", help="What to do; a single - reads it from standard input.")
@click.option(
    "--provider",
    "-p",
    multiple=True,
    required=True,
    metavar="WORDS",
    help="Who takes part: a provider, or one with NAME=JSON keywords in the same words; "
    "repeatable.",
)
@click.option(
    "--check",
    metavar="WORDS",
    help="A command that succeeds if the changes are good; no shell runs it.",
)
@click.option("--judge", metavar="WORDS", help="Who compares those that pass; as --provider.")
@options.cwd
@click.option(
    "--permissions",
    type=click.Choice(get_args(choices.Permissions)),
    default="workspace-write",
    help="What each agent may do in its copy without asking.",
)
@options.sandbox
@options.policy
@options.base
@options.include
@options.setup
@click.option("--apply", is_flag=True, help="Merge the changes of the best into the folder.")
@click.option(
    "--page",
    type=options.FILE,
    metavar="FILE",
    help="Write an HTML page that has all side by side.",
)
@options.stdin
@options.json
def best_of(
    *,
    prompt: str,
    provider: Sequence[str],
    check: str | None,
    judge: str | None,
    cwd: str | None,
    permissions: choices.Permissions,
    sandbox: dict[str, Any],
    policy: Path | None,
    base: str | None,
    include: Sequence[str],
    setup: str | None,
    apply: bool,
    page: Path | None,
    stdin: StdinMode,
    json: bool,
) -> int:
    """Run the same prompt with several agents, and take the best.

    Each works in a copy of the repository. What became of each is written to standard error, the
    diff of the best to standard output; --apply merges it instead.

    \b
    signedin best-of "Fix the failing test" -p codex -p claude --check "pytest -q" --apply
    signedin best-of "Fix it" -p 'codex effort=high' -p codex --judge claude > best.patch
    """
    piped = PipedInput(stdin)
    text = values.read_prompt(prompt, piped)
    if page is not None:
        from signedin.cli.page.document import check_target  # noqa: PLC0415 - jinja2 takes 60 ms

        check_target(page)
    of_all = {**sandbox, **({"policy": values.policy(policy)} if policy else {})}
    contestants = [_contestant(words, of_all) for words in provider]
    judging = None if judge is None else _client(judge)

    async def run() -> AsyncBestOf:
        try:
            made = await async_best_of(
                contestants,
                text,
                cwd=cwd or ".",
                base=base or "HEAD",
                include=include,
                setup=setup,
                check=check,
                judge=judging,
                permissions=permissions,
            )
        finally:
            if judging is not None:
                await judging.aclose()
        report(made)
        changes = made.best.changes if made.best else None
        document = partial(_document, made) if json else None
        await hand_over(changes, apply=apply, document=document)
        return made

    def report(made: AsyncBestOf) -> None:
        if page is not None:
            from signedin.cli.page.best_of import write_best_of_page  # noqa: PLC0415 - as above

            write_best_of_page(made, page, prompt=text)
        if not json:
            click.echo(_table(made), err=True, nl=False)

    with piped.reporting_what_is_left():
        return SUCCESS if asyncio.run(run()).best else FAILURE


def _contestant(words: str, of_all: Mapping[str, object]) -> Contestant:
    name, own = _parted("--provider", words)
    given = {**of_all, **own}
    return (name, given) if given else name


def _client(words: str) -> AsyncClient:
    name, given = _parted("--judge", words)
    return AsyncClient(name, **cast("dict[str, Any]", given))


def _parted(flag: str, words: str) -> tuple[str, dict[str, object]]:
    name, *given = values.words(words, flag) or [""]
    return name, values.provider_options(given, flag)


def _table(made: AsyncBestOf) -> str:
    rows = [("", "NAME", "RUN", "CHECK", "FILES"), *(_row(each, made) for each in made.candidates)]
    ending = f"best: {made.best.name}, {made.reason}" if made.best else f"none: {made.reason}"
    errors = [f"{each.name}: {each.error.message}\n" for each in made.candidates if each.error]
    verdicts = [f"judge: {each.best or 'none'}: {each.why}\n" for each in made.verdicts]
    return "".join([aligned(rows), *errors, *verdicts, ending, "\n"])


def _row(candidate: Candidate, made: AsyncBestOf) -> tuple[str, ...]:
    seconds = f"{candidate.result.elapsed:.1f} s" if candidate.result else "-"
    files = len(candidate.changes.files) if candidate.changes else 0
    return (
        "*" if candidate is made.best else "",
        candidate.name,
        "failed" if candidate.error else seconds,
        check_word(candidate),
        str(files),
    )


def _document(made: AsyncBestOf, applied: tuple[str, ...]) -> BestOfDocument:
    return BestOfDocument(
        best=made.best.name if made.best else None,
        reason=made.reason,
        candidates=[_candidate(each) for each in made.candidates],
        verdicts=[VerdictDocument(each.best, each.why) for each in made.verdicts],
        applied=applied,
    )


def _candidate(candidate: Candidate) -> CandidateDocument:
    error, check, changes = candidate.error, candidate.check, candidate.changes
    return CandidateDocument(
        name=candidate.name,
        passed=candidate.passed,
        run=Ending.of(candidate.result, error) if candidate.result else None,
        error=Failure.of(error) if error else None,
        files=changes.files if changes else (),
        diff=changes.diff if changes else "",
        check=CheckDocument(check.returncode, check.output, check.seconds) if check else None,
    )
