"""Project files that programs follow automatically, and the refusal to start among them.

A repository is text from somebody else. Agents read settings, hooks, MCP servers, environment
files, commands and agents from it, and run or obey them. Without ``trust_project=True`` none of
that applies: each provider disables it with its program's own options, and where there is none,
it looks for these files and refuses to start.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Mapping
from pathlib import Path, PurePath

import msgspec

from signedin.model.errors import InvalidOptionError, PermissionDeniedError
from signedin.model.options import TurnOptions
from signedin.runtime.names import folded


class ProjectFiles(msgspec.Struct, frozen=True, kw_only=True):
    """Files and folders that a program follows and that no option disables.

    Attributes:
        inside: Looked for in the working directory.
        upwards: Looked for there and in every folder above.
    """

    inside: tuple[str, ...] = ()
    upwards: tuple[str, ...] = ()

    def found(self, cwd: Path, home: Path | None = None) -> Path | None:
        """Returns the first of them that exists, also if it is a link that leads nowhere yet.

        Args:
            cwd: The working directory.
            home: The folder in which these files are the user's own; the user's home if not given.
        """
        own = identity(home or Path.home())
        inside = [(cwd, name) for name in self.inside]
        above = [(folder, name) for folder in folders_above(cwd) for name in self.upwards]
        for folder, name in (*inside, *above):
            if os.path.lexists(folder / name) and (own is None or identity(folder) != own):
                return folder / name
        return None


def folders_above(folder: Path) -> list[Path]:
    """Returns a folder and all above it: first those of its name, then those it really is in.

    They differ where a link is part of the name. Of the programs that look above their working
    directory, some go by what they were given and others by what the system says.
    """
    named, real = Path(os.path.abspath(folder)), Path(os.path.realpath(folder))  # noqa: PTH100
    return list(dict.fromkeys((named, *named.parents, real, *real.parents)))


def up_to_repository(folder: Path) -> list[Path]:
    """Returns a folder and those above it, up to the root of its repository if it is in one."""
    folders = [folder, *folder.parents]
    root = next((n for n, each in enumerate(folders) if (each / ".git").exists()), 0)
    return folders[: root + 1]


def identity(folder: Path) -> tuple[int, int] | None:
    """Returns what makes a folder the same by any name, ``None`` if there is none."""
    try:
        status = folder.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


RUN_BY_THEMSELVES = frozenset(
    {
        # git runs the hooks and programs that are named there
        *(".git", ".gitconfig", ".gitmodules", ".githooks", ".husky", ".pre-commit-config.yaml"),
        *(".lefthook.yml", "lefthook.yml", ".lefthook", ".overcommit.yml"),
        # shells run them when they start or enter the folder, ssh when it connects
        *(".bash_login", ".bash_logout", ".bash_profile", ".bashrc", ".envrc", ".profile", ".ssh"),
        *(".zlogin", ".zlogout", ".zprofile", ".zshenv", ".zshrc", ".mise.toml", "mise.toml"),
        # editors and debuggers run tasks and extensions when they open the folder
        *(".devcontainer", ".devcontainer.json", ".exrc", ".fleet", ".gdbinit", ".idea"),
        *(".lldbinit", ".nvim.lua", ".nvimrc", ".vimrc", ".vscode", ".zed"),
        # agents take programs to start, and what they may do, from there
        *(".agents", ".aider.conf.yml", ".amp", ".augment", ".claude", ".claude.json", ".cline"),
        *(".clinerules", ".codex", ".continue", ".copilot", ".crush.json", "crush.json", ".cursor"),
        *(".factory", ".gemini", ".github/agents", ".github/copilot", ".github/extensions"),
        *(".github/hooks", ".github/lsp.json", ".github/mcp.json", ".github/skills", ".goose"),
        *(".iflow", ".junie", ".kilocode", ".kimi", ".kimi-code", ".kiro", ".lsp.json"),
        *(".mcp.json", ".opencode", ".openhands", ".pi", ".qwen", ".roo", ".trae", ".vibe"),
        *(".windsurf", "opencode.json", "opencode.jsonc"),
    }
)
"""Files and folders that programs run or obey unasked, so writing one does more than change the
project."""


def runs_by_itself(path: PurePath) -> bool:
    """Whether a path is, or leads into, one of `RUN_BY_THEMSELVES`.

    Names match in every spelling that some file system treats as the same.
    """
    parts = [folded(part) for part in path.parts]
    pairs = ("/".join(pair) for pair in itertools.pairwise(parts))
    return not RUN_BY_THEMSELVES.isdisjoint((*parts, *pairs))


def untrusted(provider: str, found: Path, effect: str) -> PermissionDeniedError:
    """Returns the error for a run that a project's files prevent.

    Args:
        provider: Name of the provider.
        found: The file or folder that prevents it.
        effect: What the program would do with it, after "it would".
    """
    return PermissionDeniedError(
        f"{provider} is not started: it would {effect} {found}, and has no switch for that. If you "
        "trust this project, pass trust_project=True (--trust-project); otherwise move the file "
        "away, or work in another folder"
    )


def check_guarding(provider: str, env: Mapping[str, str], options: TurnOptions) -> None:
    """Raises if the caller's ``env`` overrides a variable that protects against the project.

    Args:
        provider: Name of the provider.
        env: The protecting variables.
        options: The caller's options.

    Raises:
        InvalidOptionError: It sets another value.
    """
    for variable, value in env.items():
        if options.env.get(variable, value) != value:
            raise InvalidOptionError(
                f"env changes {variable}, which makes {provider} ignore the project's files; "
                "pass trust_project=True (--trust-project) if you trust this project"
            )
