"""The best of real agents, in real worktrees."""

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from signedin import (
    AsyncClient,
    Client,
    InvalidOptionError,
    Review,
    UnsupportedOptionError,
    Verdict,
    WorktreeError,
    async_best_of,
    best_of,
    review,
    worktree,
)
from signedin.cli.page import write_best_of_page
from signedin.cli.page.batch import write_batch_page
from signedin.loopback import Hold, HttpError, Rule, Script, WriteFile
from support.processes import processes_with
from support.repositories import Repository
from support.rows import row_of
from support.stage import Stage

AGENTS = ("codex-app-server", "claude-cli", "opencode")
CHECK = [sys.executable, "-c", "assert open('made.txt').read() != 'bad\\n', 'it is bad'"]
FIRST_AS_A = (
    "## Candidate A\ndiff --git a/made.txt b/made.txt\nnew file mode 100644\n"
    f"index {'0' * 40}..9c59e24b8393179a5d712de4f990178df5734d99"
)
"""How a judge is shown the file with "first", as the first candidate."""


@pytest.fixture(scope="module", params=AGENTS)
def agent(request: pytest.FixtureRequest) -> Iterator[tuple[Stage, dict[str, Any]]]:
    """A few agents, of which each finds out by itself where it works."""
    row = row_of(request.param)
    with Stage(row.provider) as stage:
        yield stage, {"provider": row.provider, "binary": row.binary, **stage.options}


def test_an_agent_works_in_a_worktree(
    agent: tuple[Stage, dict[str, Any]], repository: Repository
) -> None:
    stage, options = agent
    stage.play(WriteFile("made.txt", "made\n"), "Done.")
    with Client(**options, ephemeral=False) as client, worktree(repository.path) as tree:
        result = client.run("Make it.", cwd=tree.path, permissions="workspace-write")
        assert (result.text, result.cwd) == ("Done.", str(tree.path))
        assert [(file.path, file.kind) for file in tree.changes().files] == [("made.txt", "add")]
        assert not (repository.path / "made.txt").exists()
        assert tree.apply() == ("made.txt",)
    assert (repository.path / "made.txt").read_text() == "made\n"


def test_rows_of_a_batch_work_in_worktrees(
    agent: tuple[Stage, dict[str, Any]], repository: Repository, tmp_path: Path
) -> None:
    stage, options = agent
    makes = [Script([WriteFile(name, f"{name}\n"), "Done."]) for name in ("one.txt", "two.txt")]
    rules = [Rule(make.default, contains=f"number {n}") for n, make in enumerate(makes)]
    stage.play(Script(["Nothing to do."], rules))
    with Client(**options, cwd=repository.path, permissions="workspace-write") as client:
        batch = client.batch(
            [f"number {n}" for n in range(3)],
            journal=tmp_path / "run.db",
            concurrency=2,
            worktree=True,
        )
        assert sorted(outcome.unwrap().text for outcome in batch.run()) == [
            "Done.",
            "Done.",
            "Nothing to do.",
        ]
        records = list(batch.records())
        changed = [[file.path for file in record.changes.files] for record in records]
        assert changed == [["one.txt"], ["two.txt"], []]
        assert not (repository.path / "one.txt").exists()
        assert [batch.apply(record) for record in records] == [("one.txt",), ("two.txt",), ()]
    assert (repository.path / "two.txt").read_text() == "two.txt\n"
    write_batch_page(tmp_path / "run.db", tmp_path / "page.html", None)
    assert "<summary>1 changed</summary>" in (tmp_path / "page.html").read_text()


@pytest.fixture(scope="module")
def stages() -> Iterator[dict[str, Stage]]:
    """A model for each of two vendors, and one for the judge."""
    with Stage("codex") as codex, Stage("claude") as claude, Stage("codex") as judge:
        yield {"codex": codex, "claude": claude, "judge": judge}


def of(stage: Stage, **more: object) -> dict[str, object]:
    return {**stage.options, **more}


def write(content: str) -> Script:
    return Script([WriteFile("made.txt", content), "Done."])


def test_those_that_pass_are_judged_twice(
    stages: dict[str, Stage], repository: Repository, tmp_path: Path
) -> None:
    stages["codex"].play(write("first\n"))
    stages["claude"].play(write("second\n"))
    first_is_a = Rule(['{"why": "complete", "best": "B"}'], contains=FIRST_AS_A)
    stages["judge"].play(Script(['{"why": "complete", "best": "A"}'], [first_is_a]))
    contestants = [("codex", of(stages["codex"])), ("claude", of(stages["claude"]))]
    with Client("codex", **of(stages["judge"])) as judge:
        made = best_of(contestants, "Make it.", cwd=repository.path, check=CHECK, judge=judge)
    assert [each.name for each in made.candidates] == ["codex", "claude"]
    assert [each.check and each.check.returncode for each in made.candidates] == [0, 0]
    assert made.verdicts == (Verdict("claude", "complete"), Verdict("claude", "complete"))
    assert (made.best, made.reason) == (
        made.candidates[1],
        "the judge chose it in both orders",
    )
    assert repr(made) == "BestOf('claude': the judge chose it in both orders)"
    write_best_of_page(made, tmp_path / "page.html", prompt="Make it.")
    page = (tmp_path / "page.html").read_text()
    assert page.count("<section ") == 2
    assert "+second" in page
    assert not (repository.path / "made.txt").exists()
    assert made.apply() == ("made.txt",)
    assert (repository.path / "made.txt").read_text() == "second\n"


async def test_a_cancelled_contest_leaves_nothing(
    stages: dict[str, Stage], repository: Repository, tmp_path: Path
) -> None:
    for name in ("codex", "claude"):
        stages[name].play([Hold("answers"), "Done."])
    contestants = [
        (name, of(stages[name], env={**stages[name].options["env"], "MARK": str(tmp_path)}))
        for name in ("codex", "claude")
    ]
    contest = asyncio.create_task(
        async_best_of(contestants, "Make it.", cwd=repository.path, judge=None)
    )
    for name in ("codex", "claude"):
        await asyncio.to_thread(stages[name].wait_for_request)
    assert len(repository.worktrees) == 2
    assert len(processes_with(tmp_path)) >= 2
    contest.cancel()
    with pytest.raises(asyncio.CancelledError):
        await contest
    assert repository.worktrees == []
    assert processes_with(tmp_path) == set()


def test_who_fails_and_who_does_not_pass(stages: dict[str, Stage], repository: Repository) -> None:
    stages["codex"].play(HttpError(400, "no"))
    stages["claude"].play(Script([WriteFile("made.txt", "bad\n"), "Done."]))
    contestants = [("codex", of(stages["codex"])), ("claude", of(stages["claude"]))]
    made = best_of(contestants, "Make it.", cwd=repository.path, check=CHECK)
    failed, bad = made.candidates
    assert failed.error is not None
    assert failed.error.message == "no"
    assert (failed.passed, failed.check) == (False, None)
    assert bad.check is not None
    assert (bad.passed, bad.check.returncode) == (False, 1)
    assert bad.check.output.endswith("AssertionError: it is bad")
    assert made.best is None
    with pytest.raises(WorktreeError, match=r"^there is nothing to apply: no candidate changed"):
        made.apply()
    assert made.apply(failed) == ()


async def test_a_judge_that_prefers_what_it_sees_first(
    stages: dict[str, Stage], repository: Repository
) -> None:
    stages["codex"].play(write("x\n"))
    stages["judge"].play('{"why": "it is first", "best": "A"}')
    contestants = [("codex", of(stages["codex"])), ("codex", of(stages["codex"]))]
    async with AsyncClient("codex", **of(stages["judge"])) as judge:
        made = await async_best_of(contestants, "Make it.", cwd=repository.path, judge=judge)
        assert [verdict.best for verdict in made.verdicts] == ["codex", "codex-2"]
        assert made.best is made.candidates[0]
        assert made.reason == "the judge chose another in each order: the first of these"


async def test_a_judge_that_fails(stages: dict[str, Stage], repository: Repository) -> None:
    stages["codex"].play(write("x\n"))
    stages["judge"].play(HttpError(400, "no"))
    contestants = [("codex", of(stages["codex"])), ("codex", of(stages["codex"]))]
    async with AsyncClient("codex", **of(stages["judge"])) as judge:
        made = await async_best_of(contestants, "Make it.", cwd=repository.path, judge=judge)
    assert made.best is made.candidates[0]
    assert made.reason == "the judge did not decide: the first that passed"
    assert all(verdict.why.startswith("the judge failed: ") for verdict in made.verdicts)


def test_a_review(stages: dict[str, Stage], repository: Repository) -> None:
    stages["codex"].play(write("reviewed\n"))
    finding = '{"file": "made.txt", "line": 1, "severity": "low", "problem": "short"}'
    said = f'{{"approved": true, "summary": "good", "findings": [{finding}]}}'
    stages["judge"].play(said)
    made = best_of([("codex", of(stages["codex"]))], "Make it.", cwd=repository.path)
    assert made.best is not None
    with Client("codex", **of(stages["judge"])) as reviewer:
        result = review(made.best, by=reviewer, prompt="Make it.")
    assert isinstance(result.output, Review)
    assert (result.output.approved, result.output.findings[0].problem) == (True, "short")
    assert "+reviewed" in stages["judge"].requests[0].prompt


@pytest.mark.parametrize(
    ("contestants", "keywords", "message"),
    [
        ([], {}, "contestants must be a list of providers, not []"),
        ("codex", {}, "contestants must be a list of providers, not 'codex'"),
        (
            [("codex", {"permissions": "read-only"})],
            {},
            "permissions must be one of workspace-write, full-access, not 'read-only'",
        ),
        (["codex"], {"permissions": "read-only"}, "permissions must be one of workspace-write"),
        ([("codex", {}, 1)], {}, "a contestant must be (provider, keywords), not ('codex', {}, 1)"),
        (["codex"], {"check": ""}, "check must be a command, not ''"),
        (["codex"], {"setup": "it's"}, 'setup "it\'s" cannot be split: No closing quotation'),
        (["codex"], {"include": ".env"}, "include must be a list of paths, not '.env'"),
    ],
)
def test_what_cannot_be_asked(
    contestants: list[Any], keywords: dict[str, Any], message: str, repository: Repository
) -> None:
    with pytest.raises(InvalidOptionError) as caught:
        best_of(contestants, "Make it.", cwd=repository.path, **keywords)
    assert caught.value.message.startswith(message)


def test_a_provider_that_changes_no_files(repository: Repository) -> None:
    with pytest.raises(UnsupportedOptionError, match="chatgpt does not support 'best_of'"):
        best_of(["chatgpt"], "Make it.", cwd=repository.path)
