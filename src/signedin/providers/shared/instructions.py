"""Instructions of a project, which are only text for the model and need no trust.

What a project says of settings, hooks and programs needs it: see `project`. Seen with codex 0.169,
Claude Code 2.1.331, Gemini CLI 0.61, opencode 1.18 and qwen-code 0.15.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from signedin.providers.shared.project import up_to_repository


class InstructionFiles(msgspec.Struct, frozen=True, kw_only=True):
    """The files of a project that are instructions for an agent.

    They are looked for in the working directory and above, up to the root of its repository.

    Attributes:
        names: What reaches the model.
        instead: What does where none of these is.
        read_by: Who reads them.
        left_out: What reaches the model of a trusted project only; a warning names what is there.
    """

    names: tuple[str, ...]
    instead: str = ""
    read_by: str
    left_out: str = ""

    def found(self, folder: Path) -> list[Path]:
        """Returns the files in one folder."""
        files = [folder / name for name in self.names if (folder / name).is_file()]
        other = folder / self.instead
        return files or ([other] if other.is_file() else [])

    def warnings(self, cwd: Path, agent: str) -> tuple[str, ...]:
        """Names the instruction files of a project that are not used, as it is not trusted."""
        paths = [folder / self.left_out for folder in up_to_repository(cwd.resolve())]
        return tuple(
            f"{path} is left out; trust_project=True has {agent} read it"
            for path in paths
            if path.exists()
        )


INSTRUCTIONS: Mapping[str, InstructionFiles] = {
    "codex": InstructionFiles(
        names=("AGENTS.override.md",),
        instead="AGENTS.md",
        read_by="Codex; signedin where Codex leaves them out of a folder that is not trusted",
    ),
    "claude": InstructionFiles(
        names=("CLAUDE.md", ".claude/CLAUDE.md", "CLAUDE.local.md"),
        instead="AGENTS.md",
        read_by="signedin, without what they import and without links out of the project",
        left_out=".claude/rules",
    ),
    "gemini": InstructionFiles(
        names=("GEMINI.md",),
        read_by="Gemini CLI, where the project has nothing else that it would follow",
        left_out="GEMINI.md",
    ),
    "acp:opencode": InstructionFiles(names=("AGENTS.md",), instead="CLAUDE.md", read_by="opencode"),
    "acp:qwen": InstructionFiles(names=("AGENTS.md", "QWEN.md"), read_by="qwen-code"),
}
