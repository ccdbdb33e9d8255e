"""How a session is looked for among those of all providers."""

import pytest
from click.testing import CliRunner

from signedin import SessionInfo, SessionPage
from signedin.cli import resume as module
from signedin.cli.documents import ResumeDocument, StoredSession
from signedin.cli.resume import resume
from signedin.cli.sessions import stored

LISTED = [
    StoredSession(provider="codex", id="abc-1", name="Flaky", cwd="/src/app", updated_at=2.0),
    StoredSession(provider="claude", id="abd-2", preview="Fix the flaky test", updated_at=1.0),
]


class Pages:
    """A client whose sessions come one at a time."""

    def __init__(self) -> None:
        self.asked = 0

    async def sessions(self, *, limit: int, cursor: str | None) -> SessionPage:
        assert limit
        self.asked += 1
        info = SessionInfo(id=f"s{self.asked}", name=f"name {self.asked}")
        return SessionPage((info,), str(self.asked) if self.asked < 3 else None)


@pytest.mark.parametrize(
    ("wanted", "ids"),
    [("", ["s1"]), ("s2", ["s1", "s2"]), ("name 2", ["s1", "s2"]), ("x", ["s1", "s2", "s3"])],
)
async def test_a_wanted_session_is_looked_for_among_the_older_ones(wanted, ids):
    assert [info.id for info in await stored(Pages(), wanted)] == ids


@pytest.fixture
def invoke(monkeypatch):
    async def listed(*_):
        return ResumeDocument(sessions=LISTED, missing={"gemini": "not installed", "acp:x": "hm"})

    monkeypatch.setattr(module, "_listed", listed)
    return lambda *arguments: CliRunner().invoke(resume, arguments, prog_name="resume")


def test_a_search_looks_at_everything(invoke):
    for search, providers in {
        "flaky": ["codex", "claude"],
        "APP flaky": ["codex"],
        "claude fix": ["claude"],
        "zebra": [],
    }.items():
        listed = invoke("--json", "--search", search).stdout
        assert [name for name in ("codex", "claude") if f'"{name}"' in listed] == providers


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["ab"], "'ab' could be abc-1, abd-2 (not installed: gemini)"),
        (["abc-"], "the folder of session abc-1, /src/app, does not exist any more; "),
        (["Flaki"], "there is no session 'Flaki'; did you mean 'Flaky'? `signedin resume` lists "),
        (["--search", "zebra"], "there is no stored session with 'zebra' (not installed: gemini)"),
        (["--json", "abc-1"], "--json lists sessions; it cannot be combined with one to continue"),
        (["--last", "abc-1"], "--last names a session already"),
    ],
)
def test_what_cannot_be_found(invoke, arguments, error):
    done = invoke(*arguments)
    assert (done.exit_code, error in done.stderr) == (2, True)


def test_a_provider_that_fails_is_named(invoke):
    assert "warning: no sessions of acp:x: hm\n" in invoke("--search", "zebra").stderr
