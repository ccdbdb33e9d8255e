"""The sandbox of signedin where there is none, in later turns, and for what the client does."""

import json
import os
import re
import shlex
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from signedin import Client, PermissionDeniedError, UnsupportedOptionError, WarningEvent, allow
from signedin.loopback import Shell
from signedin.providers.registry import load_provider
from signedin.providers.shared import sandbox
from signedin.providers.shared.codex_program import locate_codex
from signedin.safety.sandbox import command, kernel
from signedin.safety.sandbox.places import PLACES
from support.agents import program, versions
from support.folders import outside_of_sandboxes
from support.rows import WITH_COPILOT, Row
from support.stage import Stage
from support.turns import checked, of_type

CONFINED = [
    row
    for row in WITH_COPILOT
    if load_provider(row.provider).transports[row.transport].sandbox == "signedin"
]
AGENT = Path(__file__).parents[2] / "support" / "acp_agent.py"


@pytest.fixture
def base() -> Iterator[Path]:
    with outside_of_sandboxes() as folder:
        (folder / "work").mkdir()
        yield folder


@pytest.fixture
def run(base: Path) -> Callable[..., object]:
    """Runs one prompt with an agent that behaves as configured."""

    def run(*behaviour: object, **keywords: object) -> object:
        command = [sys.executable, "-S", str(AGENT), *map(str, behaviour)]
        options = {"cwd": base / "work", "trust_project": True, "on_approval": lambda _: allow}
        with Client("acp", command=command) as client:
            return checked(client.run("Hi", timeout=60, **{**options, **keywords}))

    return run


NONE = "it needs Codex (SIGNEDIN_CODEX_BINARY=/nowhere/codex does not exist); install it with: "


VANISHING = """#!/bin/sh
case "$*" in *vanishing*) rm -rf {gone};; esac
exec {bwrap} "$@"
"""


@pytest.mark.parametrize("gone", ["vanishing", "vanishing/socket"])
@pytest.mark.parametrize("row", CONFINED, ids=lambda row: row.name)
def test_a_socket_that_goes_while_the_sandbox_is_made(
    row: Row, gone: str, base: Path, monkeypatch
) -> None:
    """Another program has ended in that moment, and nobody is to notice."""
    place = base / "vanishing"
    place.mkdir()
    bwrap = next(Path(locate_codex().usable).resolve().parents[1].rglob("bwrap"))
    wrapper = base / "bin" / "bwrap"
    wrapper.parent.mkdir()
    wrapper.write_text(VANISHING.format(gone=shlex.quote(str(base / gone)), bwrap=bwrap))
    wrapper.chmod(0o755)
    listed: list[int] = []

    def sockets(folders: object) -> Iterator[str]:
        listed.append(1)
        yield str(place / "socket")

    monkeypatch.setattr(command, "_sockets", sockets)
    monkeypatch.setattr(kernel, "bubblewrap", lambda program: str(wrapper))
    with Stage(row.provider) as stage, socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(place / "socket"))
        listener.listen()
        stage.play("Done.")
        path = f"{wrapper.parent}{os.pathsep}{os.environ['PATH']}"
        options = {**stage.options, "env": {**stage.options["env"], "PATH": path}}
        with Client(
            row.provider,
            transport=row.transport,
            binary=row.binary,
            cwd=base / "work",
            trust_project=row.trusts,
            **options,
        ) as client:
            assert checked(client.run("Hi", sandbox="read-only")).text == "Done."
    assert not (place / "socket").exists()
    assert len(listed) >= 2


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives folders to others")
def test_a_socket_in_a_closed_folder_of_somebody_else(run: Callable, base: Path) -> None:
    place = base / "closed"
    place.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(place / "socket"))
        listener.listen()
        os.chown(place, 65534, 65534)
        assert of_type(run("hello").events, WarningEvent) == []


def test_without_an_engine_a_warning_says_so(run: Callable, monkeypatch) -> None:
    monkeypatch.setenv("SIGNEDIN_CODEX_BINARY", "/nowhere/codex")
    [warning] = of_type(run("hello").events, WarningEvent)
    assert warning.text.startswith(f"acp runs without a sandbox: {NONE}")
    assert of_type(run("hello", sandbox="off").events, WarningEvent) == []


def test_an_engine_that_does_not_confine_is_none(run: Callable, base: Path, monkeypatch) -> None:
    engine = base / "codex"
    engine.write_text("#!/bin/sh\necho 'no user namespaces' >&2; exit 1\n")
    engine.chmod(0o755)
    monkeypatch.setenv("SIGNEDIN_CODEX_BINARY", str(engine))
    [warning] = of_type(run("hello").events, WarningEvent)
    assert warning.text == (
        f"acp runs without a sandbox: this machine does not let {engine} make one (no user "
        "namespaces); allow user namespaces, or pass sandbox='off' to run without one"
    )


def test_one_that_is_asked_for_by_name_is_refused(run: Callable, monkeypatch) -> None:
    monkeypatch.setenv("SIGNEDIN_CODEX_BINARY", "/nowhere/codex")
    with pytest.raises(UnsupportedOptionError) as caught:
        run("hello", sandbox="read-only")
    assert caught.value.option == "sandbox"
    assert NONE in caught.value.message


def test_the_program_says_where_there_is_none() -> None:
    gemini = program("gemini", versions("gemini")[0])
    engine = {"SIGNEDIN_CODEX_BINARY": "/nowhere/codex", "SIGNEDIN_GEMINI_BINARY": str(gemini)}
    told = subprocess.run(
        [sys.executable, "-m", "signedin", "auth", "status", "--provider", "gemini"],
        env={**os.environ, **engine},
        capture_output=True,
        text=True,
        check=False,
    )
    assert f"warning: gemini runs without a sandbox: {NONE}" in told.stderr


def test_a_link_in_the_project_is_not_followed(run: Callable, base: Path) -> None:
    (base / "work" / ".codex").symlink_to(base)
    with pytest.raises(PermissionDeniedError, match=r"work/\.codex is a link"):
        run("hello")
    assert run("hello", sandbox="off").text == "Hello."


@pytest.mark.parametrize(
    ("sandbox", "place", "written"),
    [
        ("workspace-write", "work/made", True),
        ("workspace-write", "made", False),
        ("workspace-write", "work/.git/hooks/post-commit", False),
        ("workspace-write", "work/.codex/config.toml", False),
        ("read-only", "work/made", False),
        ("off", "made", True),
    ],
)
def test_what_the_client_writes_for_the_agent(
    run: Callable, base: Path, sandbox: str, place: str, written: bool
) -> None:
    path = base / place
    said = run("write", path, "x", sandbox=sandbox).text
    assert path.exists() is written
    refusal = f"writing {path}: the sandbox does not allow it"
    assert (said == "{}") is written
    assert (refusal in said) is not written


def test_what_the_client_reads_for_the_agent(run: Callable, base: Path) -> None:
    secret = base / "secret"
    secret.write_text("mine")
    hidden = {"sandbox_exclude_read": [secret], "permissions": "full-access"}
    told = run("read", secret, sandbox="workspace-write", **hidden).text
    assert f"reading {secret}: the sandbox does not allow it" in told
    assert "mine" in run("read", secret, permissions="full-access").text


def test_what_is_hidden_in_the_project_stays_so(run: Callable, base: Path) -> None:
    """With the home as the project: keys are below the folder that the agent may write to."""
    keys = base / "work" / "keys"
    keys.mkdir()
    key, made = keys / "id", keys / "authorized_keys"
    key.write_text("mine")
    hidden = {"sandbox_exclude_read": [keys], "sandbox": "workspace-write"}
    command = run("terminal", "cat", key, **hidden).text
    assert "mine" not in command
    assert f"reading {key}: the sandbox does not allow it" in run("read", key, **hidden).text
    said = run("write", made, "x", **hidden).text
    assert f"writing {made}: the sandbox does not allow it" in said
    assert not made.exists()


def _plant(home: Path, variables: dict[str, str]) -> list[Path]:
    """Makes a file in every place, as the table and variables say."""
    planted = []
    for place in PLACES:
        for path in map(Path, place.found_by(variables, str(home))):
            parent = next((each for each in path.parents if each.is_file()), None)
            file = path / "key" if path.is_dir() or parent is not None else path
            if parent is None and not file.exists():
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text("secret\n")
                planted.append(file)
    return planted


@pytest.mark.parametrize("moved", [False, True], ids=["in the home", "moved by variables"])
def test_no_place_of_the_table_can_be_read(
    run: Callable, base: Path, moved: bool, monkeypatch
) -> None:
    """And what is beside it can, which shows that the command reads at all."""
    home, elsewhere = base / "home", base / "elsewhere"
    home.mkdir()
    names = {name for place in PLACES for names in place.moved.values() for name in names.split()}
    values = {name: str(elsewhere / name) for name in sorted(names - {"CODEX_HOME"})}
    variables = {**values, "XDG_CONFIG_HOME": str(elsewhere / "xdg")} if moved else {}
    for name, value in {"HOME": str(home), **variables}.items():
        monkeypatch.setenv(name, value)
    planted = _plant(home, variables)
    assert len(planted) > 200
    (home / "notes").write_text("secret\n")
    script = 'for file; do if read word < "$file"; then echo "$file"; fi; done 2> /dev/null'
    told = run("terminal", "sh", "-c", script, "sh", *planted, home / "notes").text
    assert [file for file in planted if f"{file}\\n" in told or f"{file}\n" in told] == []
    assert str(home / "notes") in told


def test_repositories_below_the_project_stay_as_they_are(run: Callable, base: Path) -> None:
    """For commands and for what the client writes; a new one can be made."""
    hooks = base / "work" / "a" / "b" / ".git" / "hooks"
    hooks.mkdir(parents=True)
    script = f"echo 1 > {hooks}/pre-commit; mkdir -p c/.git && echo 1 > c/.git/config"
    run("terminal", "sh", "-c", script, sandbox="workspace-write")
    assert (base / "work" / "c" / ".git" / "config").exists()
    said = run("write", hooks / "post-commit", "x", sandbox="workspace-write").text
    assert f"writing {hooks / 'post-commit'}: the sandbox does not allow it" in said
    assert list(hooks.iterdir()) == []


_OPENED = """
import os
for top in os.scandir("/proc"):
    if top.name.isdigit() or top.is_symlink():
        continue
    walk = [(top.path, [], [""])] if top.is_file() else os.walk(top.path)
    for place in (os.path.join(folder, name) for folder, _, names in walk for name in names):
        try:
            os.close(os.open(place.rstrip("/"), os.O_WRONLY | os.O_NONBLOCK))
        except OSError:
            continue
        print("opened", place)
print("looked")
"""


@pytest.mark.skipif(os.geteuid() != 0 or sys.platform != "linux", reason="only root could")
@pytest.mark.parametrize("project", ["work", ".."], ids=["a project", "the home as the project"])
def test_root_opens_no_setting_of_the_kernel(run: Callable, base: Path, project: str) -> None:
    """Also where the project holds the cache, from which the sandbox is made."""
    cwd = (base / project).resolve()
    told = run("terminal", "/usr/bin/python3", "-c", _OPENED, sandbox="workspace-write", cwd=cwd)
    assert "looked" in told.text
    assert "opened" not in told.text


def test_root_has_no_sandbox_that_it_could_write_to_all_of(run: Callable, monkeypatch) -> None:
    monkeypatch.setattr(kernel, "is_open", lambda: True)
    with pytest.raises(UnsupportedOptionError, match="could write to all of the folders"):
        run("hello", cwd="/", sandbox="workspace-write")


def test_an_engine_that_leaves_the_kernel_open_is_none(run: Callable, monkeypatch) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root could write to its settings")
    monkeypatch.setattr(kernel, "settings", list)
    monkeypatch.setattr(sandbox, "_probed", {})
    [warning] = of_type(run("hello").events, WarningEvent)
    assert re.fullmatch(
        r"acp runs without a sandbox: \S+ leaves settings of the kernel writable to root; "
        r"run as another user, or pass sandbox='off' to run without one",
        warning.text,
    )
    with pytest.raises(UnsupportedOptionError, match="writable to root"):
        run("hello", sandbox="read-only")


@pytest.mark.parametrize(("sandbox", "written"), [("workspace-write", False), ("off", True)])
def test_commands_that_the_client_runs_for_the_agent(
    run: Callable, base: Path, sandbox: str, written: bool
) -> None:
    script = f"echo in > made; echo out > {base}/out; echo tmp > $TMPDIR/x && cat $TMPDIR/x"
    said = run("terminal", "sh", "-c", script, sandbox=sandbox).text
    assert (base / "work" / "made").read_text() == "in\n"
    assert (base / "out").exists() is written
    assert "tmp" in said


def test_the_project_stays_as_it_was(run: Callable, base: Path) -> None:
    run("hello")
    assert list((base / "work").iterdir()) == []


def test_a_turn_that_needs_another_sandbox_is_refused_without_loading(base: Path) -> None:
    command = [sys.executable, "-S", str(AGENT), "hello"]
    with Client("acp", command=command, trust_project=True, cwd=base / "work") as client:
        session = client.session()
        assert session.run("Hi").text == "Hello."
        with pytest.raises(UnsupportedOptionError, match="needs another sandbox") as caught:
            session.run("Hi", permissions="workspace-write")
        assert caught.value.option == "permissions"


def test_a_session_moves_where_its_turns_may_work(base: Path) -> None:
    """Each turn can do what it may and no more, and the conversation continues."""
    made = base / "work" / "made"
    outside = base / "outside"
    with (
        Stage("gemini") as stage,
        Client(
            "gemini",
            binary=program("gemini", versions("gemini")[0]),
            cwd=base / "work",
            **stage.options,
        ) as client,
        client.session() as session,
    ):
        for number, (may, inside, beyond) in enumerate(
            [
                ({"sandbox": "read-only"}, False, False),
                ({"sandbox": "workspace-write"}, True, False),
                ({"sandbox": "off"}, True, True),
                ({"sandbox": "read-only"}, False, False),
            ]
        ):
            stage.play(Shell(f"echo 1 > {made}; echo 1 > {outside}"), f"Answer {number}.")
            result = checked(session.run(f"Turn {number}", on_approval=lambda _: allow, **may))
            assert result.text == f"Answer {number}."
            assert (made.exists(), outside.exists()) == (inside, beyond)
            said = json.dumps([request.body for request in stage.requests])
            assert all(f"Turn {before}" in said for before in range(number + 1))
            made.unlink(missing_ok=True)
            outside.unlink(missing_ok=True)
