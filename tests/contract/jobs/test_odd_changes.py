"""Every kind of change, through every door: applied, or named and kept."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from signedin import ChangeConflictError, Client, WorktreeError, best_of, worktree
from signedin.client import async_client
from signedin.loopback import LoopbackModel, Script, Shell
from signedin.providers.codex.options import to_toml
from support.fakes import FakeProvider, answer, spec_of
from support.odd_changes import CHANGES, LOST, content, make_repository
from support.program import environment, run_program
from support.repositories import Repository, taken_back
from support.tiers import each_once

LINUX = pytest.mark.skipif(sys.platform == "win32", reason="makes links, FIFOs and sockets")
pytestmark = LINUX


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("odd")
    return make_repository(folder / "repository", folder / "library").path


@pytest.fixture
def repository(original: Path, tmp_path: Path, home: Path) -> Iterator[Repository]:
    """A copy of the repository, in which nothing of a worktree may be left."""
    shutil.copytree(original, tmp_path / "repository", symlinks=True)
    copy = Repository(tmp_path / "repository")
    yield copy
    assert copy.worktrees == []


class Doers:
    """Agents that do what a test says; a provider has all that are to work at once."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._provider = FakeProvider()
        monkeypatch.setattr(async_client, "load_provider", lambda name: spec_of(self._provider))

    def does(self, change: Callable[[Path], None]) -> None:
        def script(prompt: str) -> object:
            change(Path(self._provider.prompts[-1][1].cwd))
            return answer("Done.")

        self._provider.script = script


@pytest.fixture
def doers(monkeypatch: pytest.MonkeyPatch) -> Doers:
    return Doers(monkeypatch)


def by_hand(repository: Repository, doers: Doers) -> None:
    with worktree(repository.path) as tree, Client("fake") as client:
        client.run("Do it.", cwd=tree.path, permissions="workspace-write")
        assert tree.diff()
        tree.apply()


def by_batch(repository: Repository, doers: Doers) -> None:
    with Client("fake", cwd=repository.path, permissions="workspace-write") as client:
        batch = client.batch(["Do it."], journal=repository.path.parent / "run.db", worktree=True)
        [outcome] = batch.run()
        [record] = batch.records()
        if outcome.error is not None:
            assert (record.changes.patch, record.changes.files) == (b"", ())
            assert f"What was done is left in {record.changes.kept};" in record.error
            with pytest.raises(WorktreeError, match=f"look into {record.changes.kept}"):
                batch.apply(record)
        outcome.unwrap()
        batch.apply(record)


def by_best_of(repository: Repository, doers: Doers) -> None:
    best = best_of(["fake"], "Do it.", cwd=repository.path)
    [candidate] = best.candidates
    if candidate.error is not None:
        assert candidate.changes.kept in str(candidate.error)
        assert not candidate.passed
        raise candidate.error
    best.apply()


DOORS = {"worktree": by_hand, "batch": by_batch, "best-of": by_best_of}


@pytest.mark.parametrize(("kind", "door"), each_once(CHANGES, DOORS))
def test_what_is_applied(kind: str, door: str, repository: Repository, doers: Doers) -> None:
    wanted: dict[str, object] = {}

    def change(tree: Path) -> None:
        CHANGES[kind](tree)
        wanted.update(content(tree))

    doers.does(change)
    DOORS[door](repository, doers)
    assert content(repository.path) == wanted


@pytest.mark.parametrize(("kind", "door"), each_once(LOST, DOORS))
def test_what_is_kept(kind: str, door: str, repository: Repository, doers: Doers) -> None:
    change, named = LOST[kind]
    wanted: dict[str, object] = {}

    def do(tree: Path) -> None:
        change(tree)
        wanted.update(content(tree))

    before = content(repository.path)
    doers.does(do)
    with pytest.raises(WorktreeError) as caught:
        DOORS[door](repository, doers)
    assert named in str(caught.value)
    assert content(repository.path) == before
    assert content(taken_back(repository, str(caught.value))) == wanted


def test_at_the_command_line(repository: Repository, home: Path) -> None:
    """Codex does to the files what a shell does; of the kinds that a shell can do, one of each."""
    applied = "rm file; mkdir file; echo n >file/n; rm -r folder; mkfifo folder; rm .git"
    script = Script([Shell(applied), "Done."], [])
    lost = Script([Shell("mkdir .GIT; echo n >.GIT/n; echo n >file"), "Done."], [])
    for play in (script, lost):
        with LoopbackModel(play) as model:
            options = model.client_options("codex")
            settings = options["provider_options"]["config"]
            lines = (f"{name} = {to_toml(value)}\n" for name, value in settings.items())
            codex = Path(str(options["env"]["CODEX_HOME"]))
            (codex / "config.toml").write_text("".join(lines))
            env = {**environment(), **{name: str(v) for name, v in options["env"].items()}}
            words = ("run", "--worktree", "--apply", "--permissions", "full-access", "Do it.")
            ran = run_program(*words, cwd=repository.path, env={**env, "SIGNEDIN_HOME": str(home)})
        if play is script:
            assert ran.returncode == 0, ran.stderr
            assert (repository.path / "file" / "n").read_text() == "n\n"
            assert not (repository.path / "folder").exists()
    assert ran.returncode == 1
    assert ran.stderr.startswith("error: git takes no file of this name: .GIT/n. What was done")
    assert (taken_back(repository, ran.stderr) / ".GIT" / "n").read_text() == "n\n"


ON_BOTH_SIDES: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "folder-and-changed": ("rm file; mkdir file; echo n >file/n", "echo m >file", ("file",)),
    "folder-and-link": ("rm link; mkdir link; echo n >link/n", "ln -sfn other.txt link", ("link",)),
    "file-and-new-file": ("rm -r folder; echo n >folder", "echo m >folder/new", ("folder",)),
    "file-and-ignored": ("rm -r folder; echo n >folder", "echo m >folder/my.log", ("folder",)),
    "submodule-with-files": ("rmdir lib", "git submodule -q update --init", ("lib",)),
    "file-for-submodule": ("rmdir lib; echo n >lib", "git submodule -q update --init", ("lib",)),
}


@pytest.mark.parametrize("kind", ON_BOTH_SIDES)
def test_conflicts_name_what_is_there(kind: str, repository: Repository) -> None:
    theirs, ours, files = ON_BOTH_SIDES[kind]
    config = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "protocol.file.allow"}
    env = {**os.environ, **config, "GIT_CONFIG_VALUE_0": "always"}
    with pytest.raises(ChangeConflictError) as caught, worktree(repository.path) as tree:
        subprocess.run(["sh", "-ec", theirs], cwd=tree.path, check=True)
        subprocess.run(["sh", "-ec", ours], cwd=repository.path, check=True, env=env)
        before = content(repository.path)
        tree.apply()
    assert caught.value.files == files
    assert all(os.path.lexists(repository.path / file) for file in caught.value.files)
    assert content(repository.path) == before
    taken_back(repository, str(caught.value))


@pytest.mark.parametrize("error", [ValueError("mine"), KeyboardInterrupt(), SystemExit(1)])
def test_a_block_that_fails_loses_nothing(error: BaseException, repository: Repository) -> None:
    with pytest.raises(type(error)) as caught, worktree(repository.path) as tree:
        (tree.path / "new").write_text("n\n")
        raise error
    [note] = caught.value.__notes__
    assert (taken_back(repository, note) / "new").read_text() == "n\n"


@pytest.mark.parametrize("knows", ["diff", "apply"])
def test_a_block_that_fails_later_leaves_nothing(knows: str, repository: Repository) -> None:
    with pytest.raises(ValueError, match=r"^mine$"), worktree(repository.path) as tree:
        (tree.path / "new").write_text("n\n")
        getattr(tree, knows)()
        raise ValueError("mine")


def test_mixed_line_ends(repository: Repository) -> None:
    for name, value in (("core.safecrlf", "true"), ("core.autocrlf", "input")):
        repository.git("config", name, value)
    with worktree(repository.path) as tree:
        (tree.path / "file").write_bytes(b"a\r\nb\n")
        assert tree.apply() == ("file",)
    assert (repository.path / "file").read_bytes() == b"a\nb\n"


def test_one_that_is_to_stay(repository: Repository) -> None:
    with worktree(repository.path) as tree:
        (tree.path / "new").write_text("n\n")
        kept = tree.keep()
    assert (kept.patch, kept.repository) == (b"", str(repository.path))
    with worktree(repository.path):
        assert Path(str(kept.kept), "new").read_text() == "n\n"
    repository.git("worktree", "remove", "--force", str(kept.kept))
