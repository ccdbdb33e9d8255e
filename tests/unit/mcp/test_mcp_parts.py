"""The parts of ``signedin mcp`` that need no agent."""

import asyncio
import os
from pathlib import Path

import pytest

from signedin import InvalidOptionError, RunResult, SignedinError
from signedin.integrations.mcp import depth, jobs
from signedin.integrations.mcp.agents import Scope
from signedin.integrations.mcp.asking import Form, answers_of, approval_form, question_form
from signedin.integrations.mcp.jobs import Job, Jobs
from signedin.model.approvals import ApprovalRequest, Question, QuestionOption
from signedin.model.events import FileChange
from signedin.providers.registry import provider_names

QUESTIONS = (
    Question(id="how much?", text="How much?"),
    Question(id="q2", text="Which?", options=(QuestionOption("a"), QuestionOption("b"))),
)
RESULT = RunResult(
    provider="codex",
    transport="t",
    session_id="s",
    turn_id=None,
    model=None,
    cwd="/",
    text="x",
    output=None,
    events=(),
    usage=None,
    reason="completed",
    elapsed=0.0,
)


def test_questions_become_a_form_and_its_answers_theirs() -> None:
    form = question_form("claude", QUESTIONS)
    assert form.message == "claude asks: How much? / Which?"
    assert form.schema == {
        "type": "object",
        "properties": {
            "answer_1": {"type": "string", "description": "How much?"},
            "answer_2": {"type": "string", "description": "Which?", "enum": ["a", "b"]},
        },
        "required": ["answer_1", "answer_2"],
    }
    given = {"answer_1": "two", "answer_2": "b"}
    assert answers_of(QUESTIONS, given) == {"how much?": "two", "q2": "b"}
    assert answers_of(QUESTIONS, None) is None


def test_an_approval_shows_all_that_is_known_without_secrets() -> None:
    request = ApprovalRequest(
        subject="file_change",
        item_id="1",
        command="deploy --token sk-ant-0123456789abcdef",
        cwd="/work",
        changes=(FileChange("/work/a", "update", "-b\n+c"),),
        tool="delete",
        server="files",
        arguments={"path": "/"},
        reason="because",
    )
    assert approval_form("codex", request) == Form(
        "codex asks to be allowed: file change\n"
        "deploy --token ***\n"
        "in /work\n"
        "update /work/a\n-b\n+c\n"
        "files delete\n"
        '{"path":"/"}\n'
        "because"
    )


def test_a_scope(tmp_path: Path) -> None:
    with pytest.raises(InvalidOptionError, match="does not exist"):
        Scope.of(["codex"], "read-only", str(tmp_path / "nowhere"))
    with pytest.raises(SignedinError, match=r"unknown provider .cdx.; did you mean .codex"):
        Scope.of(["cdx"], "read-only", str(tmp_path))
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    scope = Scope.of(["codex", "claude"], "workspace-write", str(tmp_path / "link"))
    assert scope.folder == tmp_path / "real"
    assert scope.levels == ("read-only", "workspace-write")
    assert scope.provider("claude") == "claude"
    with pytest.raises(InvalidOptionError, match=r"^provider must be one of: codex, claude$"):
        scope.provider(None)
    everybody = Scope.of([], "read-only", str(tmp_path)).providers
    assert {"codex", "claude", "chatgpt"} <= {*everybody} < {*provider_names()}


@pytest.mark.parametrize(
    ("inherited", "found"), [(None, 1), ("0", 1), ("1", 2), ("4", 5), ("-1", 2), ("x", 2)]
)
def test_the_depth_is_counted(
    monkeypatch: pytest.MonkeyPatch, inherited: str | None, found: int
) -> None:
    monkeypatch.delenv(depth.VARIABLE, raising=False)
    if inherited is not None:
        monkeypatch.setenv(depth.VARIABLE, inherited)
    assert depth.enter() == found
    assert os.environ.pop(depth.VARIABLE) == str(found)


async def test_nobody_answers_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "PATIENCE", 0)
    job = Job("codex", None, can_ask=True)
    assert await job.ask(Form("?")) is None
    assert job.unseen[0].form == Form("?")
    job.answer(job.unseen[0].key, {})  # too late


async def test_old_jobs_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "_STORED", 2)

    async def run(job: Job) -> RunResult[object]:
        return RESULT

    async with Jobs() as started:
        names: list[str] = []
        for _ in range(4):
            job = started.start(Job("codex", None, can_ask=False), run)
            await job.news()
            assert job.status == "done"
            names.append(job.id)
        with pytest.raises(InvalidOptionError):
            started.find(names[0])
        assert [started.find(name).id for name in names[1:]] == names[1:]


async def test_a_defect_is_an_error_of_its_job_only(caplog: pytest.LogCaptureFixture) -> None:
    async def broken(job: Job) -> RunResult[object]:
        raise ZeroDivisionError

    async with Jobs() as started:
        job = started.start(Job("codex", None, can_ask=False), broken)
        await job.news()
        assert job.status == "failed"
        assert job.error is not None
        assert job.error.message == "signedin failed: ZeroDivisionError()"
    assert "a prompt for codex failed" in caplog.text


async def test_leaving_stops_what_runs() -> None:
    async def endless(job: Job) -> RunResult[object]:
        await asyncio.Event().wait()
        return RESULT

    async with Jobs() as started:
        job = started.start(Job("codex", None, can_ask=False), endless)
        assert job.status == "running"
    assert job.status == "stopped"
