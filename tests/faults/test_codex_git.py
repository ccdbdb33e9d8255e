"""What git starts when Codex itself asks it for the state of a folder: nothing of the repository's.

Each case is also run with ``trust_project=True``, where the program has to start: a test in which
it cannot would pass for nothing.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from signedin import Client, CommandEvent
from signedin.loopback import Rule, Script, Shell, Text
from signedin.providers.codex import Codex
from support.agents import program, versions
from support.repositories import Repository
from support.stage import Stage
from support.turns import of_type

TRANSPORTS = ("codex-app-server", "codex-exec")
GIT = shutil.which("git")
FILE = "a.txt"


@pytest.fixture(params=["wheel", *versions("codex")])
def binary(request: pytest.FixtureRequest) -> Path | None:
    return None if request.param == "wheel" else program("codex", request.param)


class Folders:
    """A repository, a mark that its program leaves, and a `git` that shows where Codex's has ended.

    Codex ends its git when a turn ends before it, so turns wait for that: see `turn`.
    """

    def __init__(self, base: Path) -> None:
        self.base = base
        self.repository = Repository(base / "repository", {FILE: "x\n"})
        self.mark = base / "mark"
        self.looked = base / "looked"
        self.looked.mkdir()
        self.bin = base / "bin"
        self.bin.mkdir()
        self._script("git", f'"{GIT}" "$@"; code=$?\ncase "$*" in *"status --porcelain"*) '
                            f': > "{self.looked}/${{PWD##*/}}";; esac\nexit $code\n')  # fmt: skip
        self.command = self._script("filter", f': > "{self.mark}"\ncat\n')

    @property
    def turn(self) -> tuple[Shell, str]:
        """The replies of a turn that goes on until git has looked at its folder."""
        return Shell(f'until [ -e "{self.looked}/${{PWD##*/}}" ]; do sleep 0.02; done'), "ok"

    @property
    def env(self) -> dict[str, str]:
        return {"PATH": f"{self.bin}:{os.environ['PATH']}"}

    def touch(self, repository: Repository) -> None:
        """Makes git compare a file: of another size, it would not have to."""
        repository.write({FILE: "y\n"})

    def filter(self, repository: Repository, **settings: str) -> None:
        repository.write({".gitattributes": "*.txt filter=lure\n"})
        for name, value in (settings or {"clean": str(self.command)}).items():
            repository.git("config", f"filter.lure.{name}", value)
        self.touch(repository)

    def _script(self, name: str, text: str) -> Path:
        file = self.bin / name
        file.write_text(f"#!/bin/sh\n{text}")
        file.chmod(0o755)
        return file


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path)


def clean(folders: Folders) -> None:
    folders.filter(folders.repository)


def process(folders: Folders) -> None:
    folders.filter(folders.repository, process=str(folders.command))


def required(folders: Folders) -> None:
    folders.filter(folders.repository, clean=str(folders.command), required="true")


def included(folders: Folders) -> None:
    clean(folders)
    config = folders.repository.path / ".git" / "config"
    (config.parent / "more").write_text(config.read_text())
    folders.repository.git("config", "--remove-section", "filter.lure")
    folders.repository.git("config", "include.path", "more")


def of_the_worktree(folders: Folders) -> None:
    repository = folders.repository
    clean(folders)
    repository.git("config", "--remove-section", "filter.lure")
    repository.git("config", "extensions.worktreeConfig", "true")
    repository.git("config", "--worktree", "filter.lure.clean", str(folders.command))


def attributes_in_git(folders: Folders) -> None:
    clean(folders)
    attributes = folders.repository.path / ".gitattributes"
    attributes.rename(folders.repository.path / ".git" / "info" / "attributes")


def elsewhere(folders: Folders) -> None:
    """The folder's `.git` is a file that leads to where the repository is."""
    clean(folders)
    place = folders.repository.path / ".git"
    place.rename(folders.base / "elsewhere")
    place.write_text(f"gitdir: {folders.base}/elsewhere\n")


def submodule(folders: Folders) -> None:
    inner = Repository(folders.repository.path / "inner", {FILE: "x\n"})
    folders.repository.git("-c", "advice.addEmbeddedRepo=false", "add", "inner")
    folders.repository.git("commit", "-qm", "inner")
    folders.filter(inner)


def submodule_to_look_into(folders: Folders) -> None:
    modules = '[submodule "q"]\n\tpath = inner\n\turl = ./inner\n\tignore = none\n'
    folders.repository.write({".gitmodules": modules})
    submodule(folders)


def missing_object(folders: Folders) -> None:
    """What git has to look at is fetched, with a program that the repository names."""
    repository = folders.repository
    origin = folders.base / "origin"
    repository.git("clone", "-q", "--bare", str(repository.path), str(origin))
    for name, value in {
        "extensions.partialClone": "origin",
        "remote.origin.url": str(origin),
        "remote.origin.promisor": "true",
        "remote.origin.uploadpack": f"touch {folders.mark}; false",
        "core.repositoryFormatVersion": "1",
    }.items():
        repository.git("config", name, value)
    tree = repository.git("rev-parse", "HEAD^{tree}").strip()
    (repository.path / ".git" / "objects" / tree[:2] / tree[2:]).unlink()
    (repository.path / ".git" / "index").unlink()


KINDS = [clean, process, required, included, of_the_worktree, attributes_in_git, elsewhere,
         submodule, submodule_to_look_into, missing_object]  # fmt: skip
ONLY_OLDER = {submodule, submodule_to_look_into}
"""Newer versions of Codex look into no submodule."""


@pytest.fixture
def new_client(
    stage: Stage, binary: Path | None, folders: Folders
) -> Iterator[Callable[..., Client]]:
    clients: list[Client] = []

    def make(transport: str = TRANSPORTS[0], **options: object) -> Client:
        env = {**folders.env, **options.pop("env", {})}
        given = {"cwd": folders.repository.path, **options}
        clients.append(stage.client(transport, binary=binary, env=env, timeout=60, **given))
        return clients[-1]

    stage.play(*folders.turn)
    yield make
    for client in clients:
        client.close()


def started(folders: Folders) -> bool:
    """Whether the repository's program was started, when Codex has asked git."""
    places = list(folders.looked.iterdir())
    assert places
    for place in places:
        place.unlink()
    return folders.mark.exists()


@pytest.mark.parametrize("trusted", [False, True], ids=["untrusted", "trusted"])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_what_codex_asks_git_starts_nothing(
    folders: Folders,
    new_client: Callable[..., Client],
    binary: Path | None,
    transport: str,
    kind: Callable[[Folders], None],
    *,
    trusted: bool,
) -> None:
    kind(folders)
    folders.mark.unlink(missing_ok=True)
    client = new_client(transport, trust_project=trusted)
    client.run("hi")
    assert started(folders) == (trusted and (binary is None or kind not in ONLY_OLDER))


def _two_turns(client: Client, safe: Path, lure: Path) -> None:
    with client.session(cwd=safe) as session:
        session.run("hi")
        session.run("hi", cwd=lure)


DOORS: dict[str, Callable[[Client, Path, Path], object]] = {
    "a later turn elsewhere": _two_turns,
    "a session that is resumed": lambda client, safe, lure: client.run(
        "hi", cwd=lure, resume=client.run("hi", cwd=safe).session_id
    ),
    "a fork": lambda client, safe, lure: client.session(
        resume=client.run("hi", cwd=safe).session_id, fork=True, cwd=lure
    ).run("hi"),
    "map": lambda client, safe, lure: list(client.map(["hi", "hi"], cwd=lure)),
    "a folder below": lambda client, safe, lure: client.run("hi", cwd=lure / "below"),
}


@pytest.mark.parametrize("door", DOORS)
def test_every_door(folders: Folders, new_client: Callable[..., Client], door: str) -> None:
    clean(folders)
    (folders.repository.path / "below").mkdir()
    safe = Repository(folders.base / "safe", {FILE: "x\n"})
    folders.mark.unlink(missing_ok=True)
    DOORS[door](new_client(), safe.path, folders.repository.path)
    assert not started(folders)


def no_repository(folders: Folders) -> None:
    """Git finds what it cannot read: Codex's own gets settings that nothing is lost by."""
    shutil.rmtree(folders.repository.path / ".git")
    (folders.repository.path / ".git").mkdir()


@pytest.mark.parametrize("kind", [clean, no_repository], ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_later_turn_is_asked_for_the_same(
    stage: Stage,
    folders: Folders,
    new_client: Callable[..., Client],
    transport: str,
    kind: Callable[[Folders], None],
) -> None:
    """Its model and what it may do, in the session and in one that is resumed."""
    kind(folders)
    stage.play(Shell("touch new.txt"), Text.echo())
    client = new_client(transport)
    with client.session(model="gpt-5.4") as session:
        first = session.run("one")
        assert [first.text, session.run("two").text] == ["one", "two"]
    again = client.run("three", resume=first.session_id, model="gpt-5.4")
    assert again.text == "three"
    assert {request.model for request in stage.requests} == {"gpt-5.4"}
    assert not (folders.repository.path / "new.txt").exists()


def test_a_repository_that_appears_between_turns(
    stage: Stage, folders: Folders, new_client: Callable[..., Client]
) -> None:
    work = folders.base / "work"
    work.mkdir()
    stage.play(Script(folders.turn, [Rule("ok", equals="before")]))
    with new_client(cwd=work).session() as session:
        session.run("before")
        shutil.copytree(folders.repository.path, work, dirs_exist_ok=True)
        folders.filter(Repository(work))
        folders.mark.unlink(missing_ok=True)
        session.run("hi")
        assert not started(folders)


def changed(folders: Folders) -> Path:
    return folders.repository.path / ".git" / "config"


def changed_elsewhere(folders: Folders) -> Path:
    """Its `.git` leads to a folder that anybody may write who works in the project."""
    place = folders.repository.path / ".git"
    place.rename(place.with_name("kit"))
    place.write_text("gitdir: kit\n")
    return place.with_name("kit") / "config"


def changed_link(folders: Folders) -> Path:
    place = folders.repository.path / ".git"
    place.rename(place.with_name("kit"))
    place.symlink_to("kit")
    return place.with_name("kit") / "config"


def changed_common(folders: Folders) -> Path:
    place = folders.repository.path / ".git"
    shutil.copytree(place, place.with_name("kit"))
    (place / "commondir").write_text("../kit\n")
    return place.with_name("kit") / "config"


def changed_included(folders: Folders) -> Path:
    folders.repository.git("config", "include.path", "../kit")
    return folders.repository.path / "kit"


@pytest.mark.parametrize("trusted", [False, True], ids=["untrusted", "trusted"])
@pytest.mark.parametrize(
    "kind",
    [changed, changed_elsewhere, changed_link, changed_common, changed_included],
    ids=lambda kind: kind.__name__,
)
def test_a_configuration_that_changes_between_turns(
    folders: Folders,
    new_client: Callable[..., Client],
    kind: Callable[[Folders], Path],
    *,
    trusted: bool,
) -> None:
    config = kind(folders)
    folders.repository.write({".gitattributes": "*.txt filter=lure\n"})
    with new_client(trust_project=trusted).session() as session:
        session.run("hi")
        assert not started(folders)
        with config.open("a") as file:
            file.write(f'[filter "lure"]\n\tclean = {folders.command}\n')
        folders.touch(folders.repository)
        session.run("hi")
        assert started(folders) == trusted


@pytest.mark.parametrize("trusted", [False, True], ids=["untrusted", "trusted"])
def test_the_typed_client(
    stage: Stage, folders: Folders, binary: Path | None, *, trusted: bool
) -> None:
    clean(folders)
    stage.play(*folders.turn)
    env = {**stage.options["env"], **folders.env}
    config = stage.options["provider_options"]["config"]
    with Codex(binary=binary, env=env, config=config, trust_project=trusted) as codex:
        thread = codex.thread_start(cwd=folders.repository.path)
        thread.run("one")
        assert started(folders) == trusted
    folders.mark.unlink(missing_ok=True)
    with Codex(binary=binary, env=env, config=config, trust_project=trusted) as codex:
        codex.thread_resume(thread.id).run("two")
        assert started(folders) == trusted


def test_the_command_line_in_a_worktree(stage: Stage, folders: Folders, tmp_path: Path) -> None:
    folders.repository.commit({".gitattributes": "*.txt filter=lure\n"})
    folders.repository.git("config", "filter.lure.clean", str(folders.command))
    folders.repository.git("config", "filter.lure.process", str(folders.command))
    folders.mark.unlink(missing_ok=True)
    wait, ok = folders.turn
    stage.play(Shell(f"printf 'y\\n' > {FILE}; {wait.command}"), ok)
    env = {**os.environ, **stage.options["env"], **folders.env, "SIGNEDIN_HOME": str(tmp_path)}
    config = json.dumps(stage.options["provider_options"]["config"])
    options = ["--provider-option", f"config={config}"]
    command = [sys.executable, "-m", "signedin", "run", "--provider", "codex", "--worktree"]
    ended = subprocess.run(
        [*command, "--permissions", "workspace-write", *options, "hi"],
        cwd=folders.repository.path,
        env=env,
        capture_output=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert not started(folders)


@pytest.mark.parametrize("config", [
    {},
    {"shell_environment_policy": {"inherit": "all", "set": {"MINE": "1"}}},
    {"shell_environment_policy.set": {"MINE": "1"}},
], ids=["none", "a table", "a dotted key"])  # fmt: skip
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_the_commands_of_a_turn_have_the_git_of_the_user(
    stage: Stage,
    folders: Folders,
    new_client: Callable[..., Client],
    transport: str,
    config: dict[str, object],
) -> None:
    """Its own configuration applies to them, that of the repository and what is in `env`."""
    clean(folders)
    stage.play(Shell("git hello; git status --porcelain; echo $MINE."), "done")
    env = {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "alias.hello",
        "GIT_CONFIG_VALUE_0": "!echo hello",
    }
    client = new_client(
        transport, env=env, permissions="full-access", provider_options=stage.config(**config)
    )
    [*_, end] = of_type(client.run("hi").events, CommandEvent)
    mine = "1" if config else ""
    assert end.output == f"hello\n M {FILE}\n?? .gitattributes\n{mine}.\n"


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_filter_of_the_user_is_run(
    folders: Folders, new_client: Callable[..., Client], transport: str
) -> None:
    """Such as that of git-lfs, also if the repository names it as well."""
    clean(folders)
    home = folders.base / "home"
    home.mkdir()
    (home / ".gitconfig").write_text(f'[filter "lure"]\n\tclean = {folders.command}\n')
    folders.mark.unlink(missing_ok=True)
    new_client(transport, env={"HOME": str(home)}).run("hi")
    assert started(folders)
