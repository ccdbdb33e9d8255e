"""Repositories with something that agents would follow: nothing of it counts unless asked for."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from signedin import (
    Client,
    McpServer,
    PermissionDeniedError,
    TurnFailedError,
    WarningEvent,
    tool,
)
from signedin.loopback import Shell
from signedin.model.approvals import deny
from signedin.model.errors import InvalidOptionError
from support.agents import program, versions
from support.lures import GEMINI, OPENCODE, QWEN, Lure, Trap, lay, trap
from support.stage import Stage
from support.turns import of_type

AGENT = Path(__file__).parents[1] / "support" / "acp_agent.py"
KINDS = {
    "gemini-cli": ("gemini", "gemini-cli", GEMINI),
    "gemini-acp": ("gemini", "gemini-acp", GEMINI),
    "opencode": ("acp:opencode", None, OPENCODE),
    "qwen": ("acp:qwen", None, QWEN),
}
# Where a real key would go if nothing else said where.
ADDRESSES = {"gemini": "GOOGLE_GEMINI_BASE_URL"}


@tool
def hello() -> str:
    """Says hello."""
    return "hello"


def baited(*kinds: str) -> list[object]:
    return [
        pytest.param(kind, lure, id=f"{kind}: {name}")
        for kind in kinds
        for name, lure in KINDS[kind][2].items()
    ]


@pytest.fixture
def sprung(tmp_path: Path) -> Iterator[Trap]:
    with trap(tmp_path / "trap") as made:
        yield made


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "above" / "repository"
    folder.mkdir(parents=True)
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    return folder


@pytest.fixture
def visit(repository: Path, sprung: Trap) -> Iterator[Callable[..., Client]]:
    """Makes clients that work in a repository with a lure; the model wants to run a command."""
    stages: list[Stage] = []

    def make(kind: str, lure: Lure | None, **options: object) -> Client:
        provider, transport, _ = KINDS[kind]
        lay(lure(sprung) if lure else {}, repository)
        stage = Stage(provider)
        stages.append(stage)
        with_model = stage.__enter__()
        with_model.play(Shell(sprung.touch("command")), "Done.")
        agent = provider.removeprefix("acp:")
        env = dict(options.pop("env", {}))
        if lure is not None and any("variables" in name or ".env" in name for name in lure(sprung)):
            env = {ADDRESSES[agent]: None, **env}
        binary = program(agent, versions(agent)[0])
        return stage.client(transport, binary=binary, cwd=repository, env=env, **options)

    yield make
    for stage in stages:
        stage.__exit__(None, None, None)


@pytest.mark.parametrize(("kind", "lure"), baited("gemini-cli", "opencode", "qwen"))
def test_what_an_agent_would_follow_is_named_and_nothing_starts(
    visit: Callable[..., Client], repository: Path, sprung: Trap, kind: str, lure: Lure
) -> None:
    with visit(kind, lure) as client, pytest.raises(PermissionDeniedError) as raised:
        client.run("hi", timeout=60)
    assert sprung.sprung == []
    words, place = raised.value.message.split(" is not started: it would follow ")
    assert words in {"gemini", "acp:opencode", "acp:qwen"}
    assert place.startswith(str(repository.parent))
    assert "pass trust_project=True (--trust-project)" in place


@pytest.mark.parametrize("lure", [pytest.param(lure, id=name) for name, lure in GEMINI.items()])
def test_gemini_follows_nothing_over_acp(
    visit: Callable[..., Client], sprung: Trap, lure: Lure
) -> None:
    # Where the lure is an address there is no other, so the model is not reached.
    nowhere = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    with visit("gemini-acp", lure, env=nowhere) as client, suppress(TurnFailedError):
        client.run("hi", timeout=60)
    assert sprung.sprung == []


@pytest.mark.parametrize("keyword", ["tools", "mcp_servers"])
def test_gemini_with_tools_needs_a_folder_that_says_nothing(
    visit: Callable[..., Client], sprung: Trap, keyword: str
) -> None:
    given = {"tools": [hello], "mcp_servers": {"toy": McpServer(command=sys.executable)}}[keyword]
    with visit("gemini-acp", GEMINI["hooks"]) as client, pytest.raises(PermissionDeniedError):
        client.run("hi", **{keyword: given}, timeout=60)
    assert sprung.sprung == []


@pytest.mark.parametrize(
    ("kind", "lure", "taken"),
    [
        ("gemini-cli", GEMINI["allowed"], "command"),
        ("gemini-acp", GEMINI["hooks"], "BeforeModel"),
        pytest.param("opencode", OPENCODE["permission"], "command", marks=pytest.mark.slow),
        pytest.param("qwen", QWEN["allowed"], "command", marks=pytest.mark.slow),
    ],
)
def test_a_trusted_project_counts(
    visit: Callable[..., Client], sprung: Trap, kind: str, lure: Lure, taken: str
) -> None:
    # What is sprung leaves its trace outside of the project.
    with visit(kind, lure, trust_project=True, sandbox="off") as client:
        client.run("hi", timeout=120)
    assert taken in sprung.sprung


@pytest.mark.parametrize("kind", ["gemini-cli", "opencode", "qwen"])
def test_every_door_is_guarded(visit: Callable[..., Client], kind: str) -> None:
    lures = KINDS[kind][2]
    with visit(kind, next(iter(lures.values()))) as client:
        doors = [
            lambda: client.session().run("hi"),
            lambda: client.session(resume="11111111-1111-1111-1111-111111111111").run("hi"),
            lambda: list(client.stream("hi")),
        ]
        if kind != "gemini-cli":
            doors += [client.models, client.sessions]
        for door in doors:
            with pytest.raises(PermissionDeniedError):
                door()


def test_a_variable_does_not_open_it(visit: Callable[..., Client]) -> None:
    env = {"GEMINI_CLI_TRUST_WORKSPACE": "true"}
    words = "env changes GEMINI_CLI_TRUST_WORKSPACE, which makes gemini ignore the project"
    with (
        visit("gemini-acp", GEMINI["hooks"], env=env) as client,
        pytest.raises(InvalidOptionError, match=words),
    ):
        client.run("hi", timeout=60)


def played(*behaviour: str) -> list[str]:
    return [sys.executable, "-S", str(AGENT), *behaviour]


def test_of_an_unknown_agent_one_is_warned_once(tmp_path: Path) -> None:
    notice = (
        "signedin cannot stop acp from following the project's configuration (settings, hooks, MCP "
        "servers, commands); if you trust this project, pass trust_project=True (--trust-project)"
    )
    with Client("acp", command=played("hello"), cwd=tmp_path) as client:
        with client.session() as session:
            results = [session.run("hi") for _ in range(2)]
        warned = [[event.text for event in of_type(each.events, WarningEvent)] for each in results]
        assert warned == [[notice], []]
        trusted = client.run("hi", trust_project=True)
    assert of_type(trusted.events, WarningEvent) == []


def test_a_folder_that_is_replaced_while_the_agent_starts(tmp_path: Path) -> None:
    for name in ("good", "bad"):
        (tmp_path / name).mkdir()
    (tmp_path / "bad" / "opencode.json").write_text("{}")
    cwd = tmp_path / "work"
    cwd.symlink_to("good")
    binary = tmp_path / "opencode"
    replace = f"ln -sfn {tmp_path}/bad {cwd}"
    binary.write_text(f"#!/bin/sh\n{replace}\nexec {' '.join(played('hello'))}\n")
    binary.chmod(0o755)
    options = {"binary": binary, "cwd": cwd, "sandbox": "off"}
    with (
        Client("acp:opencode", **options) as client,
        pytest.raises(PermissionDeniedError, match=f"it would follow {cwd}/opencode.json"),
    ):
        client.run("hi")
    with Client("acp:opencode", trust_project=True, **options) as client:
        assert client.run("hi").reason == "completed"


_MOUNTED = """
mount --bind "$1/repo/vendor/kit/app" "$1/other/app" && cd "$1/other/app" || exit 77
pwd -P
exec "$2" -c "$3" "$1/other/app"
"""
_LOOKS = """
import sys
from pathlib import Path
from signedin.providers.acp.catalogue import AGENTS
print(AGENTS["opencode"].guard.files.found(Path(sys.argv[1]), home=Path("/nowhere")))
"""


@pytest.mark.parametrize(
    ("place", "followed"),
    [("other/opencode.json", True), ("repo/vendor/kit/app/opencode.json", True),
     ("repo/vendor/kit/opencode.json", False)],
    ids=["above the mount", "in it", "above what is mounted"],
)  # fmt: skip
def test_a_folder_on_a_bind_mount(tmp_path: Path, place: str, followed: bool) -> None:
    """To an agent it is where it is mounted: what lies above it elsewhere cannot be seen."""
    for folder in ("repo/vendor/kit/app", "other/app"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / place).touch()
    script = ["sh", "-c", _MOUNTED, "sh", str(tmp_path), sys.executable, _LOOKS]
    namespace = ["unshare", "--mount", *(["--map-root-user"] if os.geteuid() else [])]
    ended = subprocess.run([*namespace, *script], capture_output=True, text=True, check=False)
    if ended.returncode in {1, 77} and "ermi" in ended.stderr:
        pytest.skip("no mounts of one's own are possible here")
    mounted = tmp_path / "other" / "app"
    seen = tmp_path / place.replace("repo/vendor/kit", "other") if followed else None
    assert ended.stdout.splitlines() == [str(mounted), str(seen)], ended.stderr


SHARED = {
    "gemini-acp": GEMINI["variables"],
    "qwen": lambda trap: {".env": f"HTTPS_PROXY={trap.url}\nHTTP_PROXY={trap.url}\n"},
}
"""What another user may leave in the folder of temporary files."""


@pytest.mark.parametrize("kind", SHARED)
def test_what_lies_beside_the_folders_of_others_is_not_followed(
    visit: Callable[..., Client],
    tmp_path: Path,
    sprung: Trap,
    kind: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Not even with a trusted project: agents look above the folder that they are started in."""
    temporary = tmp_path / "temporary"
    lay(SHARED[kind](sprung), temporary)
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    # Gemini has no other address then, so the model is not reached.
    nowhere = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    env = {"GOOGLE_GEMINI_BASE_URL": None, **nowhere} if kind == "gemini-acp" else {}
    with visit(kind, None, trust_project=True, env=env) as client, suppress(TurnFailedError):
        client.run("hi", timeout=60)
    assert sprung.sprung == []


def edit(kind: str, *, path: str | None = None, **raw: object) -> str:
    call = {"kind": kind, "title": "change", "rawInput": raw}
    return json.dumps(call | ({"locations": [{"path": path}]} if path else {}))


@pytest.mark.parametrize(
    ("call", "asked"),
    [
        (edit("edit", path="a.txt"), False),
        (edit("edit", path="a.txt", file_path="a.txt", content="/etc/passwd"), False),
        (edit("move", path="a.txt", source="a.txt", destination="b/c.txt"), False),
        (edit("edit", path=".git/hooks/pre-commit"), True),
        (edit("edit", path="sub/.GIT/config"), True),
        (edit("edit", path=".vscode/tasks.json"), True),
        (edit("edit", path="sub/.claude/settings.json"), True),
        (edit("edit", path="linked/tasks.json"), True),
        (edit("edit", path="editor/tasks.json"), True),
        (edit("edit", path="state/config"), True),
        (edit("move", path="a.txt", source="a.txt", destination="/tmp/b"), True),
        (edit("move", path="a.txt", source="a.txt", destination="../b"), True),
        (edit("move", path="a.txt", moves=[{"to": ".envrc"}]), True),
        (edit("move", path="a.txt", to="file:///etc/b"), True),
        (edit("move", path="a.txt", to="~/.bashrc"), True),
        (edit("edit", path="a.txt", changes={"/etc/b": {"type": "add"}}), True),
        (edit("edit", path="a.txt", patch="*** Update File: a.txt\n*** Move to: ../b\n"), True),
        (edit("edit", path="a.txt", to="a\0b"), True),
    ],
)
def test_what_workspace_write_covers(tmp_path: Path, call: str, asked: bool) -> None:
    work = tmp_path / "work"
    (work / "editor").mkdir(parents=True)
    (work / ".vscode").symlink_to("editor")
    (work / "linked").symlink_to(".vscode")
    (work / ".git").write_text("gitdir: state\n")
    requests = []

    def judge(request: object) -> object:
        requests.append(request)
        return deny("no")

    with Client("acp", command=played("edits", call), cwd=work, trust_project=True) as client:
        options = {"permissions": "workspace-write", "on_approval": judge}
        answer = json.loads(client.run("hi", **options).text)
        assert answer["outcome"]["optionId"] == ("no" if asked else "yes")
        assert len(requests) == asked
        requests.clear()
        free = client.run("hi", permissions="full-access", on_approval=judge)
    assert json.loads(free.text)["outcome"]["optionId"] == "yes"
    assert requests == []


@pytest.mark.parametrize("name", [".git/hooks/pre-commit", ".envrc", "link"])
def test_a_file_that_runs_by_itself_is_not_written_unasked(tmp_path: Path, name: str) -> None:
    (tmp_path / ".git" / "hooks").mkdir(parents=True)
    (tmp_path / "link").symlink_to(".git/hooks/post-commit")
    command = played("write", str(tmp_path / name), "#!/bin/sh\n")
    with Client("acp", command=command, cwd=tmp_path) as client:
        result = client.run("hi", permissions="workspace-write")
    assert "was not allowed" in result.text
    assert not (tmp_path / name).exists()
