"""Rules for common cases, to be used alone or among others: ``policy=[*no_network, …]``."""

from __future__ import annotations

from signedin.safety.policy.rules import Rule, allow, ask, deny

_NETWORK_PROGRAMS = (
    # transfers, and what looks names up
    *("aria2c", "arping", "autossh", "avahi-*", "axel", "curl", "curl.exe", "curlie", "delv"),
    *("dig", "drill", "elinks", "finger", "ftp", "getent", "GET", "grpcurl", "host", "http"),
    *("https", "iperf*", "kdig", "ldapsearch", "lftp", "links", "lwp-*", "lynx", "mosh", "mtr"),
    *("nc", "nc.*", "ncat", "netcat", "nmap", "nslookup", "ntpdate", "ping", "ping6", "rclone"),
    *("resolvectl", "rsync", "scp", "sftp", "skopeo", "slogin", "smbclient", "snmp*", "socat"),
    *("ssh", "ssh-copy-id", "ssh-keyscan", "sshfs", "telnet", "tftp", "tracepath", "traceroute"),
    *("w3m", "websocat", "wget", "wget.exe", "wget2", "whois", "xh", "yt-dlp"),
    # mail, databases
    *("mail", "mailx", "mongosh", "msmtp", "mutt", "mysql", "psql", "redis-cli", "sendmail"),
    # services, containers, machines
    *("ansible*", "aws", "az", "buildah", "cloudflared", "crane", "docker", "docker-compose"),
    *("doctl", "firebase", "fly", "flyctl", "gcloud", "gh", "glab", "gsutil", "heroku", "hub"),
    *("kubectl", "nerdctl", "netlify", "ngrok", "oras", "podman", "tailscale", "terraform"),
    *("tofu", "vagrant", "vercel", "wrangler"),
    # packages
    *("bunx", "carthage", "cpan", "cpanm", "easy_install", "emerge", "guix", "nix-*", "npx"),
    *("pip-compile", "pip-sync", "pipx", "pnpx", "twine", "uvx"),
)
_NODE = (
    *("a", "add", "audit", "ci", "clean-install", "create", "dedupe", "dlx", "env", "exec"),
    *("fetch", "global", "i", "import", "in", "info", "init", "ins", "inst*", "isnt*", "it"),
    *("link", "ln", "login", "outdated", "ping", "publish", "rb", "search", "self-update"),
    *("set", "show", "store", "unpublish", "up", "update", "upgrade", "v", "view", "x"),
)
_NPM = (
    # npm takes every beginning of a word for the word
    *("a*", "ca*", "ci*", "cl*", "cr*", "d*", "exe*", "f*", "ho*", "i*", "lin*", "ln", "log*"),
    *("o*", "pac*", "pi*", "pro*", "pu*", "rb", "reb*", "rep*", "s", "se", "sea*", "sh*", "si*"),
    *("star", "stars", "tea*", "to*", "ud*", "und*", "unp*", "uns*", "up*", "v", "vi*", "who*"),
    "x",
)
_SYSTEM = (
    *("add", "build-dep", "dist-upgrade", "download", "fetch", "full-upgrade", "in", "install"),
    *("ref", "refresh", "reinstall", "search", "source", "update", "upgrade"),
)
_SUBCOMMANDS = {
    **dict.fromkeys(("npm", "cnpm"), _NPM),
    **dict.fromkeys(("pnpm", "bun"), _NODE),
    "yarn": (*_NODE, "npm", "upgrade-interactive"),
    **dict.fromkeys(
        ("apk", "apt", "apt-get", "aptitude", "brew", "dnf", "port", "yum", "zypper"), _SYSTEM
    ),
    "pacman": ("-S*", "--sync"),
    "pip*": (
        *("download", "index", "install", "list --outdated", "list -o", "lock", "search"),
        "wheel",
    ),
    **dict.fromkeys(
        ("py", "pypy*", "python*"),
        (
            *("-*m pip", "-*m pipx", "-*m uv", "-*m http.*", "-*m ensurepip", "-*m twine"),
            *("-*mpip*", "-*muv*", "-*mhttp.*", "-*mensurepip", "-*mtwine"),
        ),
    ),
    "pipenv": ("install", "lock", "sync", "update", "upgrade"),
    "poetry": ("add", "install", "lock", "publish", "search", "self", "sync", "update"),
    "pdm": ("add", "install", "lock", "publish", "sync", "update"),
    "hatch": ("env", "publish", "run", "shell", "test"),
    "flit": ("install", "publish"),
    **dict.fromkeys(("pixi", "rye"), ("add", "global", "install", "lock", "run", "sync", "update")),
    "uv": (
        *("add", "build", "lock", "pip", "publish", "python", "remove", "run", "self", "sync"),
        *("tool", "venv"),
    ),
    **dict.fromkeys(
        ("conda", "mamba", "micromamba"), ("create", "env", "i", "install", "search", "update")
    ),
    "cargo": (
        *("+* install", "+* add", "+* update", "add", "binstall", "fetch", "generate-lockfile"),
        *("info", "install", "login", "owner", "publish", "search", "update", "vendor", "yank"),
    ),
    "gem": ("fetch", "install", "i", "outdated", "push", "search", "update"),
    **dict.fromkeys(("bundle", "bundler"), ("add", "install", "lock", "outdated", "update")),
    "composer": ("create-project", "global", "install", "i", "require", "update", "u"),
    "corepack": ("install", "prepare", "up", "use"),
    "deno": ("add", "cache", "install", "i", "publish", "run", "upgrade", "x"),
    "dotnet": ("add", "restore", "tool", "workload"),
    **dict.fromkeys(("dart", "flutter"), ("pub", "upgrade")),
    **dict.fromkeys(("cabal", "luarocks", "opam", "pear", "pecl"), ("install", "update")),
    **dict.fromkeys(("conan", "nuget", "vcpkg"), ("download", "install", "restore", "search")),
    "go": (
        *("get", "install", "list -m", "mod download", "mod tidy", "mod vendor", "mod why"),
        *("run *@*", "work sync"),
    ),
    "git": (
        *("archive --remote*", "clone", "credential*", "daemon", "fetch", "fetch-pack", "ftp*"),
        *("http*", "imap-send", "lfs", "ls-remote", "maintenance", "p4", "pull", "push"),
        *("remote add", "remote prune", "remote set-head", "remote show", "remote update"),
        *("remote-*", "request-pull", "send-email", "send-pack", "submodule", "svn"),
    ),
    "gpg*": ("--recv*", "--receive*", "--search*", "--send*", "--refresh*", "--locate*"),
    "mix": ("deps.get", "deps.update"),
    "openssl": ("ocsp", "s_client", "s_server", "s_time"),
    "nix": ("build", "develop", "flake", "profile", "run", "shell"),
    "pod": ("install", "repo", "update"),
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
        *("basename *", "cat *", "cut *", "date", "diff *", "dirname *", "du *", "echo *", "false"),
        *(
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
        ),
        *("wc *", "whoami"),
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
