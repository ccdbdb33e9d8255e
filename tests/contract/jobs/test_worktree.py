"""Worktrees of real repositories, with the real git."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from signedin import (
    AsyncWorktree,
    ChangeConflictError,
    FileChange,
    InvalidOptionError,
    WorktreeError,
    worktree,
)
from support.repositories import Repository, taken_back

LONG = "".join(f"line {number}\n" for number in range(20))


def test_what_is_changed_in_it_is_applied(repository: Repository) -> None:
    repository.write({"notes.txt": "mine, not committed\n", "a.txt": "mine\n"})
    repository.git("add", "a.txt")
    before = repository.contents
    with worktree(repository.path) as tree:
        assert (tree.path / "a.txt").read_text().startswith("one\n")
        assert not (tree.path / "notes.txt").exists()
        [line] = repository.worktrees
        assert str(tree.path) in line
        assert "(detached HEAD)" in line
        assert "locked signedin, process" in repository.git("worktree", "list", "--porcelain")
        (tree.path / "new.txt").write_text("new\n")
        (tree.path / "sub" / "b.txt").unlink()
        changes = tree.changes()
        assert [(f.path, f.kind) for f in changes.files] == [
            ("new.txt", "add"),
            ("sub/b.txt", "delete"),
        ]
        assert tree.diff() == changes.diff
        assert repository.contents == before
        assert tree.apply() == ("new.txt", "sub/b.txt")
    after = repository.contents
    assert after.pop("new.txt") == b"new\n"
    assert before.pop("sub/b.txt") == b"b\n"
    assert after == before


def test_commits_moves_binaries_and_modes(repository: Repository) -> None:
    repository.commit({"long.txt": LONG, "gone.sh": "echo\n", "ü é.txt": "x\n"})
    with worktree(repository.path) as tree:
        (tree.path / "long.txt").rename(tree.path / "moved.txt")
        (tree.path / "data.bin").write_bytes(bytes(range(256)))
        (tree.path / "latin.txt").write_bytes(b"\xe4\n")
        (tree.path / "gone.sh").unlink()
        (tree.path / "gone.sh").symlink_to("moved.txt")
        (tree.path / "ü é.txt").chmod(0o755)
        git = ["git", "-c", "user.name=x", "-c", "user.email=x@y"]
        subprocess.run([*git, "add", "."], cwd=tree.path, check=True)
        subprocess.run([*git, "commit", "-qm", "theirs"], cwd=tree.path, check=True)
        changes = tree.changes()
        tree.apply()
    assert [(f.path, f.kind, f.moved_to) for f in changes.files] == [
        ("data.bin", "add", None),
        ("gone.sh", "update", None),
        ("latin.txt", "add", None),
        ("long.txt", "update", "moved.txt"),
        ("ü é.txt", "update", None),
    ]
    assert (repository.path / "moved.txt").read_text() == LONG
    assert (repository.path / "data.bin").read_bytes() == bytes(range(256))
    assert (repository.path / "latin.txt").read_bytes() == b"\xe4\n"
    assert (repository.path / "gone.sh").readlink() == Path("moved.txt")
    assert os.access(repository.path / "ü é.txt", os.X_OK)
    assert repository.git("log", "--format=%s").splitlines() == ["change", "change"]


def test_nothing_changed(repository: Repository) -> None:
    with worktree(repository.path) as tree:
        assert (tree.diff(), tree.changes().files, tree.apply()) == ("", (), ())


def test_both_sides_changed_a_file(repository: Repository) -> None:
    with worktree(repository.path) as tree:
        (tree.path / "a.txt").write_text("one\ntwo\nthree\nfour\nFIVE\n")
        repository.write({"a.txt": "ONE\ntwo\nthree\nfour\nfive\n"})
        assert tree.apply() == ("a.txt",)
    assert (repository.path / "a.txt").read_text() == "ONE\ntwo\nthree\nfour\nFIVE\n"


def test_a_conflict_loses_nothing(repository: Repository) -> None:
    with worktree(repository.path) as tree:
        (tree.path / "a.txt").write_text("theirs\n")
        (tree.path / "new.txt").write_text("theirs\n")
        repository.commit({"a.txt": "mine\n", "new.txt": "mine\n"})
        before = repository.contents
        with pytest.raises(ChangeConflictError) as caught:
            tree.apply()
        assert tree.changes().patch
    assert caught.value.files == ("a.txt", "new.txt")
    assert "so nothing was applied to" in caught.value.message
    assert repository.contents == before
    assert (taken_back(repository, str(caught.value)) / "new.txt").read_text() == "theirs\n"


def test_what_git_does_not_know_is_not_overwritten(repository: Repository, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    with worktree(repository.path) as tree:
        (tree.path / "made.log").write_text("theirs\n")
        (tree.path / "linked").mkdir()
        (tree.path / "linked" / "file").write_text("theirs\n")
        repository.commit({".gitignore": ".env\n*.log\nlinked\n"})
        repository.write({"made.log": "mine\n"})
        (repository.path / "linked").symlink_to(outside)
        with pytest.raises(ChangeConflictError) as caught:
            tree.apply()
    assert caught.value.files == ("linked/file", "made.log")
    assert (repository.path / "made.log").read_text() == "mine\n"
    assert list(outside.iterdir()) == []
    assert (taken_back(repository, str(caught.value)) / "made.log").read_text() == "theirs\n"


def test_a_repository_whose_name_has_line_breaks_that_are_not_gits(
    repository: Repository, tmp_path: Path
) -> None:
    there = Repository(tmp_path / "a\fb\x85c\u2028d", {"a.txt": "one\n"})
    with worktree(there.path) as tree:
        (tree.path / "a.txt").write_text("two\n")
        assert tree.apply() == ("a.txt",)
    assert (there.path / "a.txt").read_text() == "two\n"


def test_a_folder_of_it(repository: Repository) -> None:
    with worktree(repository.path / "sub") as tree:
        assert [path.name for path in tree.path.iterdir()] == ["b.txt"]
        (tree.path / "b.txt").write_text("changed\n")
        assert tree.apply() == ("sub/b.txt",)
    (repository.path / "later").mkdir()
    with pytest.raises(WorktreeError, match="is not in the commit 'HEAD'; commit the folder first"):
        worktree(repository.path / "later").__enter__()


def test_what_is_included(repository: Repository) -> None:
    repository.write({".env": "SECRET=1\n", "plain/x": "x\n", "plain/deep/y": "y\n"})
    (repository.path / ".env").chmod(0o600)
    (repository.path / "plain" / "link").symlink_to("x")
    with worktree(repository.path, include=[".env", "plain"]) as tree:
        assert (tree.path / ".env").read_text() == "SECRET=1\n"
        assert (tree.path / ".env").stat().st_mode & 0o777 == 0o600
        assert (tree.path / "plain" / "link").readlink() == Path("x")
        assert tree.diff() == ""
        (tree.path / "plain" / "deep" / "y").write_text("changed\n")
        assert [file.path for file in tree.changes().files] == ["plain/deep/y"]
        with pytest.raises(ChangeConflictError, match="plain/deep/y") as caught:
            tree.apply()
    assert (repository.path / "plain" / "deep" / "y").read_text() == "y\n"
    assert (taken_back(repository, str(caught.value)) / ".env").read_text() == "SECRET=1\n"


@pytest.mark.parametrize(
    ("include", "message"),
    [
        ([".env"], "include: '.env' is not in "),
        (["../other"], "include: '../other' is outside of "),
        (["/etc/passwd"], "include: '/etc/passwd' is outside of "),
        (".env", "include must be a list of paths, not '.env'"),
    ],
)
def test_what_cannot_be_included(include: list[str], message: str, repository: Repository) -> None:
    with pytest.raises(InvalidOptionError) as caught:
        worktree(repository.path, include=include).__enter__()
    assert caught.value.message.startswith(message)


def test_nothing_is_copied_through_a_link(repository: Repository, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (repository.path / "conf").symlink_to(outside)
    repository.git("add", "conf")
    repository.git("commit", "-qm", "link")
    (repository.path / "conf").unlink()
    repository.write({"conf/key": "x\n"})
    with pytest.raises(
        WorktreeError, match=r"include: 'conf/key' could not be copied: .* leads out"
    ):
        worktree(repository.path, include=["conf/key"]).__enter__()
    assert list(outside.iterdir()) == []


def test_it_is_set_up(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-0123456789")
    program = "import os; open('made', 'w').write(os.environ.get('ANTHROPIC_API_KEY', 'no key'))"
    with worktree(repository.path, setup=[sys.executable, "-c", program]) as tree:
        assert (tree.path / "made").read_text() == "no key"
        assert tree.diff() == ""


@pytest.mark.parametrize(
    ("setup", "message"),
    [
        ("git nope", "setup 'git nope' failed with exit code 1:\ngit: 'nope' is not a git command"),
        ("./not-there", "setup: ./not-there could not be started: "),
    ],
)
def test_a_setup_that_fails(setup: str, message: str, repository: Repository) -> None:
    with pytest.raises(WorktreeError) as caught:
        worktree(repository.path, setup=setup).__enter__()
    assert caught.value.message.startswith(message)


@pytest.mark.parametrize("setup", ["", [], "it's"])
def test_a_setup_that_is_no_command(setup: str, repository: Repository) -> None:
    with pytest.raises(InvalidOptionError, match=r"^setup "):
        worktree(repository.path, setup=setup)


def test_no_repository_and_no_commit(repository: Repository, tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    with pytest.raises(WorktreeError, match="plain is not in a git repository"):
        worktree(tmp_path / "plain").__enter__()
    with pytest.raises(WorktreeError, match=r"\.git is in a bare repository, which has no files"):
        worktree(repository.path / ".git").__enter__()
    empty = Repository(tmp_path / "empty")
    with pytest.raises(WorktreeError, match="there is no commit 'HEAD' in"):
        worktree(empty.path).__enter__()
    with pytest.raises(WorktreeError, match="there is no commit '--all' in"):
        worktree(repository.path, base="--all").__enter__()
    with pytest.raises(InvalidOptionError, match="does not exist"):
        worktree(tmp_path / "nowhere")


def test_outside_of_its_block(repository: Repository) -> None:
    tree = worktree(repository.path)
    with pytest.raises(WorktreeError, match="it exists inside of its with block"):
        _ = tree.path
    with tree, pytest.raises(WorktreeError, match="is entered already"):
        tree.__enter__()


async def test_cancelled_while_it_is_set_up(repository: Repository, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "runs")
    waits = f"open({str(tmp_path / 'runs')!r}, 'w').close(); import time; time.sleep(600)"
    tree = AsyncWorktree(repository.path, setup=[sys.executable, "-c", waits])
    entering = asyncio.create_task(tree.__aenter__())
    await asyncio.to_thread((tmp_path / "runs").read_text)
    entering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await entering


async def test_cancelled_at_any_time(repository: Repository) -> None:
    """Cancels after ever more steps of the event loop, until one is too late."""
    for steps in (2**power for power in range(30)):
        tree = AsyncWorktree(repository.path)
        entering = asyncio.create_task(tree.__aenter__())
        for _ in range(steps):
            await asyncio.sleep(0)
        if entering.done():
            await tree.aclose()
            break
        entering.cancel()
        with pytest.raises(asyncio.CancelledError):
            await entering
        assert repository.worktrees == []


async def test_many_apply_at_once(repository: Repository) -> None:
    async def apply(number: int) -> None:
        async with AsyncWorktree(repository.path) as tree:
            (tree.path / f"{number}.txt").write_text("x\n")
            lines = (tree.path / "a.txt").read_text().splitlines()
            lines[number * 4] += " changed"
            (tree.path / "a.txt").write_text("\n".join(lines) + "\n")
            await tree.apply()

    await asyncio.gather(apply(0), apply(1))
    changed = "one changed\ntwo\nthree\nfour\nfive changed\n"
    assert (repository.path / "a.txt").read_text() == changed
    assert (repository.path / "0.txt").exists() == (repository.path / "1.txt").exists() is True


def test_a_repository_that_an_agent_makes(repository: Repository) -> None:
    with worktree(repository.path) as tree:
        Repository(tree.path / "inner", {"x.txt": "x\n", ".gitignore": "skipped\n"})
        (tree.path / "inner" / "skipped").write_text("x\n")
        Repository(tree.path / "inner" / "deep")
        (tree.path / "inner" / "deep" / "y.txt").write_text("y\n")
        assert tree.apply() == ("inner/.gitignore", "inner/deep/y.txt", "inner/x.txt")


@pytest.fixture
def with_submodule(repository: Repository, tmp_path: Path) -> Repository:
    library = Repository(tmp_path / "library", {"lib.txt": "lib\n"})
    repository.git("submodule", "--quiet", "add", str(library.path), "lib")
    repository.git("commit", "-qm", "library")
    return repository


def test_submodules_are_empty(with_submodule: Repository) -> None:
    with worktree(with_submodule.path) as tree:
        assert list((tree.path / "lib").iterdir()) == []
        (tree.path / "a.txt").write_text("changed\n")
        assert tree.apply() == ("a.txt",)
    assert (with_submodule.path / "lib" / "lib.txt").read_text() == "lib\n"


def test_a_submodule_that_is_changed(with_submodule: Repository) -> None:
    update = "git -c protocol.file.allow=always submodule --quiet update --init"
    with worktree(with_submodule.path, setup=update) as tree:
        assert tree.diff() == ""
        (tree.path / "lib" / "lib.txt").write_text("changed\n")
        with pytest.raises(WorktreeError, match=r"^lib is a repository of its own \(a submodule\)"):
            tree.diff()
        git = ["git", "-c", "user.name=x", "-c", "user.email=x@y"]
        subprocess.run([*git, "commit", "-qam", "x"], cwd=tree.path / "lib", check=True)
        with pytest.raises(
            WorktreeError, match=r"^lib is a repository of its own \(a submodule\)"
        ) as caught:
            tree.apply()
    left = taken_back(with_submodule, str(caught.value))
    assert (left / "lib" / "lib.txt").read_text() == "changed\n"


def test_files_that_a_filter_of_the_users_stores_elsewhere(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As git-lfs does, which `git lfs install` puts into the user's settings."""
    user = tmp_path / "user"
    user.mkdir()
    (user / "clean").write_text('#!/bin/sh\ncat > "$0.stored"; echo pointer\n')
    (user / "smudge").write_text(f"#!/bin/sh\ncat > /dev/null; cat '{user}/clean.stored'\n")
    for program in user.iterdir():
        program.chmod(0o755)
    (user / ".gitconfig").write_text(
        f'[filter "lfs"]\nclean = {user}/clean\nsmudge = {user}/smudge\nrequired = true\n'
    )
    monkeypatch.setenv("HOME", str(user))
    repository.commit({".gitattributes": "*.big filter=lfs\n", "x.big": "content\n"})
    assert repository.git("show", "HEAD:x.big") == "pointer\n"
    repository.git("config", "filter.lfs.smudge", "false")  # theirs, if it had to be asked
    with worktree(repository.path) as tree:
        assert (tree.path / "x.big").read_text() == "content\n"
        assert tree.diff() == ""


def test_sparse_checkouts(repository: Repository) -> None:
    repository.commit({"big/c.txt": "c\n"})
    repository.git("sparse-checkout", "set", "sub")
    with worktree(repository.path) as tree:
        assert not (tree.path / "big").exists()
        (tree.path / "sub" / "b.txt").write_text("changed\n")
        assert tree.apply() == ("sub/b.txt",)
    assert repository.git("status", "--short") == " M sub/b.txt\n"


def test_a_file_change_is_one_of_the_models(repository: Repository) -> None:
    with worktree(repository.path) as tree:
        (tree.path / "sub" / "b.txt").write_text("changed\n")
        [change] = tree.changes().files
    assert isinstance(change, FileChange)
    assert change.diff.endswith("@@ -1 +1 @@\n-b\n+changed\n")
