"""Rules for common cases, to be used alone or among others: ``policy=[*no_network, …]``."""

from __future__ import annotations

from signedin.safety.policy.rules import Rule, allow, ask, deny

_NETWORK_PROGRAMS = (
    *("aria2c", "az", "aws", "bunx", "curl", "dig", "docker", "drill", "finger", "ftp", "gcloud"),
    *("gh", "glab", "gsutil", "host", "http", "https", "hub", "kubectl", "lftp", "lynx", "mosh"),
    *("nc", "nc.*", "ncat", "netcat", "nmap", "npx", "nslookup", "ping", "ping6", "pipx", "pnpx"),
    *(
        "podman",
        "rclone",
        "rsync",
        "scp",
        "sftp",
        "skopeo",
        "slogin",
        "socat",
        "ssh",
        "ssh-copy-id",
        "ssh-keyscan",
    ),
    *("telnet", "tftp", "tracepath", "traceroute", "uvx", "w3m", "wget", "wget2", "whois", "xh"),
    "yt-dlp",
)
_NPM = (
    *("a", "add", "audit", "ci", "clean-install", "create", "dedupe", "dlx", "exec", "i", "in"),
    *("info", "init", "ins", "inst*", "isnt*", "it", "link", "ln", "login", "outdated", "ping"),
    *("publish", "rb", "search", "show", "unpublish", "up", "update", "upgrade", "v", "view", "x"),
)
_SYSTEM = (
    *("add", "build-dep", "dist-upgrade", "download", "fetch", "full-upgrade", "install"),
    *("reinstall", "search", "source", "update", "upgrade"),
)
_SUBCOMMANDS = {
    **dict.fromkeys(("npm", "pnpm", "bun", "cnpm"), _NPM),
    "yarn": (*_NPM, "npm", "upgrade-interactive"),
    **dict.fromkeys(
        ("apk", "apt", "apt-get", "aptitude", "brew", "dnf", "port", "yum", "zypper"), _SYSTEM
    ),
    "pacman": ("-S*", "--sync"),
    "pip*": ("download", "index", "install", "search", "wheel"),
    "python*": ("-m pip", "-m pipx", "-m uv", "-m http.*", "-m ensurepip"),
    "pipenv": ("install", "lock", "sync", "update", "upgrade"),
    "poetry": ("add", "install", "lock", "publish", "search", "self", "sync", "update"),
    "pdm": ("add", "install", "lock", "publish", "sync", "update"),
    "hatch": ("env", "publish", "run", "shell", "test"),
    "uv": ("add", "lock", "pip", "publish", "python", "remove", "run", "self", "sync", "tool"),
    **dict.fromkeys(
        ("conda", "mamba", "micromamba"), ("create", "env", "install", "search", "update")
    ),
    "cargo": ("add", "fetch", "install", "publish", "search", "update", "vendor"),
    "gem": ("fetch", "install", "i", "outdated", "push", "search", "update"),
    **dict.fromkeys(("bundle", "bundler"), ("add", "install", "lock", "outdated", "update")),
    "composer": ("create-project", "install", "i", "require", "update", "u"),
    "corepack": ("install", "prepare", "up", "use"),
    "deno": ("add", "cache", "install", "i", "publish", "run", "upgrade"),
    "go": ("get", "install", "mod download", "mod tidy"),
    "git": (
        *("archive --remote*", "clone", "credential*", "fetch", "fetch-pack", "ftp*", "http*"),
        *("imap-send", "lfs", "ls-remote", "p4", "pull", "push", "remote add"),
        *("remote prune", "remote set-head", "remote show", "remote update", "request-pull"),
        *("send-email", "send-pack", "submodule", "svn"),
    ),
    "openssl": ("ocsp", "s_client", "s_server", "s_time"),
    "nix": ("build", "develop", "flake", "profile", "run", "shell"),
    "rustup": ("component", "install", "self", "target", "toolchain", "update"),
    "snap": ("download", "find", "install", "refresh"),
    "flatpak": ("install", "search", "update"),
    "helm": ("install", "pull", "push", "repo", "upgrade"),
}
_NETWORK_COMMANDS = tuple(
    f"{name} {what}" for name, subcommands in _SUBCOMMANDS.items() for what in subcommands
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
    ),
    ask("*"),
)
"""Allows commands that can be proved to only read, denies writing and asks about everything else.

No git is among them: a folder may be a repository whose configuration names programs to start.
"""


def only(*paths: str) -> tuple[Rule, ...]:
    """Returns rules that allow to write in some places and nowhere else.

    They see the files that are changed, redirected to or named to a program that writes; what other
    programs write is a matter of the rules about commands after them.

    Args:
        paths: Files, or folders with all that is below them.
    """
    return allow(write=paths), deny(write="/**", reason=f"only {', '.join(paths)} may be written")
