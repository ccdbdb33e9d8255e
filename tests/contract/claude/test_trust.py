"""What a project brings counts if it is trusted, at every door and never by accident.

What every lure does on its own is in tests/faults/hostile.
"""

import asyncio
import json
import subprocess
from collections.abc import Callable, Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest

from signedin import AsyncClient, Client, InvalidOptionError
from signedin.loopback import Shell, Text, WriteFile
from signedin.model.approvals import allow_for_session
from support.folders import contents_below
from support.stage import Stage

KEPT_FILES = (
    "config/backups/.claude.json.backup.*",
    "config/plugins/installed_plugins.json",
    "config/plugins/store/*.json",
    "config/projects/*.jsonl",
    "config/sessions/*.json",
    "config/session-env/*",
    "config/shell-snapshots/*.sh",
    "home/.cache/claude-cli-nodejs/*",
    "tmp/*",
)
"""What Claude Code itself writes into its home (seen with 2.1.197 and 2.1.330)."""

KEPT_KEYS = {
    "firstStartTime",
    "firstStartVersion",
    "hasResetAutoModeOptInForDefaultOffer",
    "machineID",
    "migrationVersion",
    "opusProMigrationComplete",
    "pluginUsage",
    "seenNotifications",
    "sonnet1m45MigrationComplete",
    "unpinFable5LaunchEffort",
    "unpinOpus47LaunchEffort",
    "unpinOpus48LaunchEffort",
    "userID",
}
"""What it adds to `.claude.json`, apart from figures about the folder it works in."""

TRUST_KEYS = (
    "allowedTools",
    "enabledMcpjsonServers",
    "hasClaudeMdExternalIncludesApproved",
    "hasClaudeMdExternalIncludesWarningShown",
    "hasTrustDialogAccepted",
    "hasTrustDialogHooksAccepted",
    "mcpServers",
)
"""What would be trust among what it notes about the folder; it notes them as empty or false."""


class Project:
    """A project with a hook, a server, scheduled words and instructions."""

    def __init__(self, folder: Path) -> None:
        self.cwd = folder / "project"
        self._marks = folder / "marks"
        self._marks.mkdir(parents=True)
        settings = self.cwd / ".claude"
        settings.mkdir(parents=True)
        for name, event in (("settings.json", "Stop"), ("settings.local.json", "SessionStart")):
            hook = {"type": "command", "command": f"touch '{self._marks}/{name}'"}
            (settings / name).write_text(json.dumps({"hooks": {event: [{"hooks": [hook]}]}}))
        (self.cwd / ".mcp.json").write_text(
            json.dumps(
                {"mcpServers": {"x": {"command": "touch", "args": [f"{self._marks}/.mcp.json"]}}}
            )
        )

    def worked(self) -> set[str]:
        """What has counted since it was asked for the last time."""
        worked = set()
        for mark in self._marks.iterdir():
            worked.add(mark.name)
            mark.unlink()
        return worked


ALL = {"settings.json", "settings.local.json", ".mcp.json"}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


@pytest.fixture(autouse=True)
def script(stage: Stage) -> None:
    stage.play(Text.echo("You said: {prompt}"))


def test_new_sessions(new_client: Callable[..., Client], project: Project) -> None:
    with new_client(cwd=project.cwd) as client:
        client.run("one")
        assert project.worked() == set()
        client.run("two", trust_project=True)
    assert project.worked() == ALL


def test_a_warm_process_is_not_handed_on(
    new_client: Callable[..., Client], project: Project
) -> None:
    with new_client(cwd=project.cwd, trust_project=True, prewarm=True) as client:
        client.run("one")
        assert "settings.json" in project.worked()
        client.run("two", trust_project=False)
        # The first process may begin a session meanwhile, but no turn of its own ends.
        assert "settings.json" not in project.worked()


def test_a_client_that_trusts_nothing_is_warm_without_trust(
    new_client: Callable[..., Client], project: Project
) -> None:
    with new_client(cwd=project.cwd, prewarm=True) as client:
        client.run("one")
        client.models()
    assert project.worked() == set()


def test_resuming_and_forking(new_client: Callable[..., Client], project: Project) -> None:
    with new_client(cwd=project.cwd, trust_project=True) as client:
        first = client.run("one").session_id
    assert project.worked() == ALL
    with new_client(cwd=project.cwd) as client:
        assert client.run("two", resume=first).text == "You said: two"
        with client.session(resume=first, fork=True) as copy:
            assert copy.run("three").text == "You said: three"
        with client.session(resume=first) as session:
            session.run("four")
            with session.fork() as fork:
                fork.run("five")
        with client.session(resume=first) as second_handle:
            second_handle.run("six")
        assert project.worked() == set()
        client.run("seven", resume=first, trust_project=True)
    assert project.worked() == ALL


def test_trust_is_fixed_when_a_session_begins(
    new_client: Callable[..., Client], project: Project
) -> None:
    with new_client(cwd=project.cwd) as client, client.session() as session:
        session.run("one")
        with pytest.raises(InvalidOptionError, match="'trust_project' is fixed when a session"):
            session.run("two", trust_project=True)
    assert project.worked() == set()


async def test_many_prompts(stage: Stage, transport: str, binary: Path, project: Project) -> None:
    async with AsyncClient(
        "claude", transport=transport, binary=binary, cwd=project.cwd, **stage.options
    ) as client:
        outcomes = [each async for each in client.map(["one", "two"], concurrency=2)]
        assert [each.error for each in outcomes] == [None, None]
    assert await asyncio.to_thread(project.worked) == set()


def test_asking_who_is_signed_in(new_client: Callable[..., Client], project: Project) -> None:
    settings = project.cwd / ".claude" / "settings.json"
    ran = project.cwd / "ran"
    settings.write_text(json.dumps({"apiKeyHelper": f"touch '{ran}'; echo sk-ant-0"}))
    with new_client(cwd=project.cwd) as client:
        client.auth_status()
        client.run("one")
    assert not ran.exists()


def test_the_projects_settings_are_not_a_way_round(
    new_client: Callable[..., Client], project: Project
) -> None:
    with new_client(cwd=project.cwd) as client:
        for source in ("project", "local"):
            with pytest.raises(InvalidOptionError, match=r"pass trust_project=True \(--trust-p"):
                client.run("one", provider_options={"setting_sources": [source]})
        client.run("two", provider_options={"setting_sources": ["user"]})
    assert project.worked() == set()


@pytest.fixture
def home(stage: Stage) -> Iterator[Path]:
    """Claude Code's home, as somebody has set it up who works with it."""
    home = Path(str(stage.options["env"]["CLAUDE_CONFIG_DIR"])).parent
    own = {
        ".claude.json": json.dumps({"projects": {"/somewhere": {"hasTrustDialogAccepted": True}}}),
        "settings.json": '{"cleanupPeriodDays": 99}',
        "CLAUDE.md": "Be kind.",
        "agents/own.md": "---\nname: own\ndescription: Mine.\n---\nDo it.\n",
    }
    before = _files(home)
    for name, content in own.items():
        file = home / "config" / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(content)
    yield home
    for name in own:
        (home / "config" / name).unlink()
        if f"config/{name}" in before:
            (home / "config" / name).write_bytes(before[f"config/{name}"])


@pytest.mark.parametrize(
    ("permissions", "trusted"), [("workspace-write", False), ("full-access", True)]
)
def test_nothing_of_the_users_configuration_changes(
    new_client: Callable[..., Client],
    stage: Stage,
    project: Project,
    home: Path,
    permissions: str,
    trusted: bool,
) -> None:
    # A repository of its own: others may leave a `.git` in a folder above it.
    subprocess.run(["git", "init", "-q", project.cwd], check=True)
    stage.play(Shell("touch made"), WriteFile(str(project.cwd / "file"), "made\n"), "Done.")
    before = _files(home)
    with new_client(
        cwd=project.cwd,
        permissions=permissions,
        trust_project=trusted,
        on_approval=lambda _: allow_for_session,
        env={"IS_SANDBOX": "1"},
    ) as client:
        client.run("go")
        client.auth_status()
        client.models()
    assert (project.cwd / "file").exists()
    after = _files(home)
    changed = {name for name in {*before, *after} if before.get(name) != after.get(name)}
    others = {name for name in changed if not any(fnmatch(name, kept) for kept in KEPT_FILES)}
    assert others <= {"config/.claude.json"}
    state = json.loads(after["config/.claude.json"])
    projects = state.pop("projects")
    assert projects.pop("/somewhere") == {"hasTrustDialogAccepted": True}
    about = projects.pop(str(project.cwd), {})
    assert projects == {}
    assert {name: about.get(name) for name in TRUST_KEYS if about.get(name)} == {}
    assert set(state) <= KEPT_KEYS


def _files(home: Path) -> dict[str, bytes]:
    return {str(path.relative_to(home)): content for path, content in contents_below(home)}


def test_instructions_are_text_for_the_model(client: Client, stage: Stage, tmp_path: Path) -> None:
    """Those of the project and of nothing else, at every door, once each."""
    project = tmp_path / "project"
    below = project / "below"
    below.mkdir(parents=True)
    (project / ".git").mkdir()
    (project / ".claude").mkdir()
    (tmp_path / "CLAUDE.md").write_text("BILBY")
    (tmp_path / "outside.md").write_text("DINGO")
    (project / "CLAUDE.md").write_text("QUOKKA me@example.com @../outside.md @no-such-file\n")
    (project / ".claude" / "CLAUDE.md").symlink_to(tmp_path / "outside.md")
    (below / "CLAUDE.md").write_text("WOMBAT")
    stage.play(Text.echo())
    with client.session(cwd=below, instructions="NUMBAT") as session:
        first = session.run("go")
        session.run("go on")
    client.run("go again", cwd=below, resume=session.id)
    with client.session(cwd=below, resume=session.id, fork=True) as copy:
        copy.run("in a copy")
    assert len(stage.requests) == 4
    for request in stage.requests:
        said = json.dumps(request.body)
        assert [said.count(word) for word in ("QUOKKA", "WOMBAT")] == [1, 1]
        assert said.index("QUOKKA") < said.index("WOMBAT")
        assert not [word for word in ("BILBY", "DINGO") if word in said]
    assert "NUMBAT" in json.dumps(stage.requests[0].body)
    trusting = "trust_project=True has Claude Code read it"
    assert [event.text for event in first.events if event.kind == "warning"] == [
        f"{project}/CLAUDE.md imports ../outside.md, which is left out; {trusting}",
        f"{project}/.claude/CLAUDE.md leads out of the project and is left out; {trusting}",
    ]
    stage.play("Done.")
    client.run("go", cwd=below, trust_project=True)
    assert "QUOKKA" in json.dumps(stage.requests[-1].body)
