"""A project whose configuration makes a file if it counts."""

import json
from collections.abc import Callable
from typing import Any

from contract.doors.probes import RULES, Scene
from support.lures import lay
from support.stage import Stage


def configure(scene: Scene, stage: Stage) -> None:
    """Writes the project, in the form of each agent, and a program for sandboxes."""
    scene.trusted.mkdir()
    lay({"docker": f"#!/bin/sh\ntouch '{scene.sprung}'\nexit 1\n"}, scene.work / "bin")
    touch = f"touch '{scene.sprung}'"
    if make := _PROJECTS.get(scene.provider):
        lay(make(touch), scene.trusted)


def _hooks(touch: str, *names: str) -> dict[str, object]:
    hook = [{"matcher": "*", "hooks": [{"type": "command", "command": touch}]}]
    return {"hooks": dict.fromkeys(names, hook)}


def _server(touch: str) -> dict[str, object]:
    return {"type": "local", "command": ["/bin/sh", "-c", f"{touch}; cat > /dev/null"]}


_PROJECTS: dict[str, Callable[[str], dict[str, Any]]] = {
    "codex": lambda touch: {
        ".codex/config.toml": (
            "[mcp_servers.x]\ncommand = '/bin/sh'\n"
            f"args = {json.dumps(['-c', f'{touch}; cat > /dev/null'])}\n"
        )
    },
    "claude": lambda touch: {".claude/settings.json": _hooks(touch, "UserPromptSubmit")},
    "gemini": lambda touch: {".gemini/settings.json": _hooks(touch, "BeforeModel")},
    # Servers of a project are started once by a process, so the rules are looked for as well.
    "acp:opencode": lambda touch: {
        "opencode.json": {"mcp": {"x": _server(touch)}, "instructions": ["rules.md"]},
        "rules.md": RULES,
    },
    "acp:qwen": lambda touch: {".qwen/settings.json": _hooks(touch, "UserPromptSubmit")},
}
