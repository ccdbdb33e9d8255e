"""What an agent may do to the files of a repository: each kind, and what is there afterwards."""

import os
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

from support.repositories import Repository

FILES = {
    "file": "file\n",
    "folder/a": "a\n",
    "folder/b/c": "c\n",
    "other.txt": "1\n",
    ".gitignore": "*.log\n",
}
"""What the repository has, with a link `link`, and an empty submodule `lib`."""


def make_repository(path: Path, library: Path) -> Repository:
    """Makes the repository that is changed."""
    Repository(library, {"lib.txt": "lib\n"})
    made = Repository(path, FILES)
    (made.path / "link").symlink_to("file")
    made.git("submodule", "--quiet", "add", str(library), "lib")
    made.git("submodule", "--quiet", "deinit", "-f", "lib")
    made.commit({})
    return made


def shell(command: str) -> Callable[[Path], None]:
    """Returns a change that is made by a shell."""

    def change(tree: Path) -> None:
        subprocess.run(["sh", "-ec", command], cwd=tree, check=True, capture_output=True)

    return change


def make_socket(tree: Path) -> None:
    """Replaces a file by a socket."""
    (tree / "file").unlink()
    with socket.socket(socket.AF_UNIX) as made:
        here = Path.cwd()
        os.chdir(tree)  # a path of a socket has 108 characters at most
        try:
            made.bind("file")
        finally:
            os.chdir(here)


def odd_names(tree: Path) -> None:
    """Makes files whose names git quotes."""
    for name in ("new\nline", "tab\t", 'quote"', "back\\slash", " space ", "-dash", ":(top)x"):
        (tree / name).write_text("odd\n")
    Path(os.fsdecode(os.fsencode(tree) + b"/latin\xe4")).write_text("odd\n")


WHO = "-c user.name=x -c user.email=x@y"

CHANGES: dict[str, Callable[[Path], None]] = {
    "file-to-folder": shell("rm file; mkdir -p file/deep; echo n >file/deep/n"),
    "file-to-link": shell("rm file; ln -s other.txt file"),
    "file-to-repository": shell("rm file; git init -q file; echo n >file/n"),
    "file-to-fifo": shell("rm file; mkfifo file"),
    "file-to-socket": make_socket,
    "folder-to-file": shell("rm -r folder; echo n >folder"),
    "folder-to-link": shell("rm -r folder; ln -s file folder"),
    "folder-to-fifo": shell("rm -r folder; mkfifo folder"),
    "folder-to-repository": shell("cd folder; git init -q; echo n >n; echo m >a"),
    "link-to-file": shell("rm link; echo n >link"),
    "link-to-folder": shell("rm link; mkdir link; echo n >link/n"),
    "link-elsewhere": shell("ln -sfn /nowhere link"),
    "submodule-to-file": shell("rmdir lib; echo n >lib"),
    "submodule-to-folder": shell("echo n >lib/n; mkdir lib/deep; echo m >lib/deep/m"),
    "submodule-to-link": shell("rmdir lib; ln -s file lib"),
    "submodule-gone": shell("rmdir lib"),
    "submodule-and-gitmodules-gone": shell("rm -r lib .gitmodules; echo n >other.txt"),
    "executable": shell("chmod +x file folder/a"),
    "case": shell("mv file FILE; mv folder Folder"),
    "names": odd_names,
    "names-of-git": shell("mkdir -p git~1; echo n >git~1/n"),
    "repository-in-repository": shell(
        f"git init -q a; git init -q a/b; cd a; echo n >n; echo m >b/m; cd b; git {WHO} add m; "
        f"git {WHO} commit -qm m; cd ..; git {WHO} add b n 2>&1; git {WHO} commit -qm n; rm n; "
        "mkdir n; echo o >n/o"
    ),
    "broken-repository": shell(
        "mkdir a b; echo n >a/n; echo m >b/m; echo gitdir: /nowhere >a/.git; mkdir b/.git"
    ),
    "added-to-be": shell("echo n >n; git add -N n; echo m >m; git add -N m; rm m"),
    "hidden": shell(
        "git update-index --assume-unchanged file; git update-index --skip-worktree folder/a; "
        "echo n >file; echo n >folder/a"
    ),
    "conflict": shell(
        f"git {WHO} checkout -qb one; echo 1 >file; git {WHO} commit -qam 1; "
        f"git {WHO} checkout -q HEAD~1; echo 2 >file; git {WHO} commit -qam 2; "
        f"git {WHO} merge one || true"
    ),
    "index-damaged": shell("git rev-parse --git-path index | xargs rm; echo n >file"),
    "git-gone": shell("rm .git; echo n >file"),
    "git-replaced": shell("rm .git; git init -q; echo n >file"),
    "git-elsewhere": shell("echo gitdir: /nowhere >.git; echo n >file"),
    "unregistered": shell("rm -r $(git rev-parse --git-dir); echo n >file"),
    "all-gone": shell("rm -rf file folder link lib other.txt .gitignore .gitmodules"),
}
"""Kinds of changes that can be applied."""

LOST: dict[str, tuple[Callable[[Path], None], str]] = {
    "submodule-changed": (
        shell(f"rmdir lib; git init -q lib; cd lib; echo n >n; git add n; git {WHO} commit -qm n"),
        "lib is a repository of its own",
    ),
    "submodule-begun": (shell("rmdir lib; git init -q lib; echo n >lib/n"), "lib"),
    "name-that-git-refuses": (
        shell("mkdir -p deep/.GIT; echo n >deep/.GIT/n; echo n >file"),
        "git takes no file of this name: deep/.GIT/n",
    ),
    "encoding": (
        shell("echo 'file working-tree-encoding=UTF-16' >.gitattributes; printf '\\001' >file"),
        "file",
    ),
}
"""Kinds that git cannot tell, and what the error names."""


def content(top: Path) -> dict[str, object]:
    """Returns what a patch could have of a folder: files, links, and what is executable."""
    found: dict[str, object] = {}
    for folder, folders, files in os.walk(top):
        folders[:] = [name for name in folders if name != ".git"]
        for name in (*files, *folders):
            path = Path(folder, name)
            if name == ".git":
                continue
            if path.is_symlink():
                found[str(path.relative_to(top))] = path.readlink()
            elif path.is_file():
                found[str(path.relative_to(top))] = (
                    path.read_bytes(),
                    os.access(path, os.X_OK) and bool(path.stat().st_mode & 0o100),
                )
    return found
