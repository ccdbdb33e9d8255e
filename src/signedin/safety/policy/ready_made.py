"""Rules for common cases, to be used alone or among others: ``policy=[*no_network, …]``."""

from __future__ import annotations

from signedin.safety.policy.rules import Rule, allow, deny

_NETWORK_PROGRAMS = (
    *("aria2c", "curl", "dig", "docker", "ftp", "gh", "host", "nc", "ncat", "netcat", "npx"),
    *("nslookup", "ping", "podman", "rsync", "scp", "sftp", "socat", "ssh", "telnet", "uvx"),
    "wget",
)
_NETWORK_COMMANDS = (
    *(f"git {name}" for name in ("clone", "fetch", "ls-remote", "pull", "push", "submodule")),
    *(f"{name} install" for name in ("apt", "apt-get", "brew", "cargo", "gem", "pip", "pip3")),
    *(f"{name} {what}" for name in ("npm", "pnpm", "yarn") for what in ("add", "ci", "install")),
    "cargo add",
    "go get",
    "uv add",
    "uv pip",
    "uv sync",
)

no_network: tuple[Rule, ...] = (
    deny(
        *(f"{name} *" for name in _NETWORK_PROGRAMS),
        *_NETWORK_COMMANDS,
        network="*",
        reason="no network",
    ),
)
"""Denies hosts, and commands that are known to reach one. Other programs are not stopped by it."""

readonly: tuple[Rule, ...] = (
    deny(write="/**", reason="only reading is allowed"),
    allow(
        "basename *",
        "cat *",
        "cut *",
        "date",
        "diff *",
        "dirname *",
        "du *",
        "echo *",
        "false",
        "grep *",
        "head *",
        "ls *",
        "nl *",
        "printf *",
        "pwd",
        "stat *",
        "tail *",
        "tr *",
        "true",
        "wc *",
        "whoami",
        "git status",
        "git rev-parse *",
        "git ls-files *",
    ),
    deny("*", reason="only reading is allowed"),
)
"""Allows commands that only read, and denies everything else."""


def only(*paths: str) -> tuple[Rule, ...]:
    """Returns rules that allow to write in some places and nowhere else.

    Args:
        paths: Files, or folders with all that is below them.
    """
    return allow(write=paths), deny(write="/**", reason=f"only {', '.join(paths)} may be written")
