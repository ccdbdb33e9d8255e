"""Which programs, builtins and variables do more than their names say: the tables of the reader."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

SYSTEM_FOLDERS = ("/bin", "/usr/bin", "/usr/local/bin", "/sbin", "/usr/sbin", "/opt/homebrew/bin")

SHELLS = frozenset({"ash", "bash", "dash", "ksh", "rbash", "sh", "zsh"})

PASSING: Mapping[str, tuple[str, str]] = {
    "builtin": ("", ""),
    "command": ("p", ""),
    "env": ("i0v", "uC"),
    "exec": ("cl", "a"),
    "ionice": ("t", "cn"),
    "nice": ("", "n"),
    "nocorrect": ("", ""),
    "noglob": ("", ""),
    "nohup": ("", ""),
    "setsid": ("cfw", ""),
    "stdbuf": ("", "ioe"),
    "time": ("apv", "f"),  # -o names a file to write
    "timeout": ("fpv", "ks"),
    "xargs": ("0oprtx", "adEILnPs"),
}
"""Programs that only run another: their short options without a value, and with one."""

RAISING: Mapping[str, tuple[str, str]] = {
    "doas": ("Ln", "uC"),
    "sudo": ("AbEHknNPS", "CDghpRrTtUu"),
}
"""The same for programs that change what the other one may do."""

WRAPPERS = {**PASSING, **RAISING}

_HIDING_BUILTINS = (
    *(".", "alias", "autoload", "bind", "compgen", "complete", "coproc", "emulate", "enable"),
    *("eval", "fc", "getopts", "hash", "let", "mapfile", "read", "readarray", "repeat", "sched"),
    *("source", "trap", "vared", "zle", "zmodload"),
)
_STARTING_PROGRAMS = (
    # util-linux, procps, coreutils, debianutils, dpkg, shadow
    *("choom", "chroot", "chrt", "flock", "i386", "linux32", "linux64", "newgrp", "nsenter"),
    *("pivot_root", "ppc", "ppc32", "ppc64", "prlimit", "rtcwake", "run-parts", "runcon"),
    *("runuser", "script", "scriptlive", "setarch", "setpriv", "sg", "sparc", "sparc32"),
    *("sparc64", "start-stop-daemon", "su", "switch_root", "taskset", "uclampset", "uname26"),
    *("unshare", "watch", "x86_64"),
    # other shells, and what starts a shell later or elsewhere
    *("abduco", "at", "batch", "cmd", "cmd.exe", "crontab", "csh", "distrobox", "dtach", "elvish"),
    *("fish", "mksh", "mosh", "nu", "oksh", "osascript", "powershell", "pwsh", "rsh", "screen"),
    *("slogin", "ssh", "ssh-agent", "ssh-argv0", "sshpass", "tcsh", "tmux", "wsl", "xonsh"),
    *("yash", "zellij"),
    # other users, limits, namespaces and sandboxes
    *("bwrap", "capsh", "cgexec", "chpst", "dbus-launch", "dbus-run-session", "fakechroot"),
    *("fakeroot", "fakeroot-sysv", "fakeroot-tcp", "firejail", "gosu", "machinectl", "numactl"),
    *("pkexec", "proot", "rootlesskit", "run0", "runc", "s6-applyuidgid", "s6-setuidgid"),
    *("sandbox-exec", "schedtool", "setuidgid", "softlimit", "su-exec", "systemd-cat"),
    *("systemd-inhibit", "systemd-nspawn", "systemd-run", "udocker"),
    # debuggers, tracers and what preloads a library
    *(
        "catchsegv",
        "dtruss",
        "eatmydata",
        "faketime",
        "flatpak-spawn",
        "gdb",
        "heaptrack",
        "ld.so",
        "lldb",
    ),
    *("ltrace", "memusage", "perf", "proxychains", "proxychains4", "rr", "sotruss", "strace"),
    *("torify", "torsocks", "tsocks", "valgrind"),
    # what repeats, supervises, connects or only adds something
    *("arch", "busybox", "caffeinate", "chronic", "catatonit", "daemon", "daemonize", "direnv"),
    *("dotenv", "dumb-init", "entr", "envdir", "expect", "ifne", "inotifywait", "logsave"),
    *("mispipe", "msgexec", "msgfilter", "nodemon", "optirun", "parallel", "pee", "primusrun"),
    *("reptyr", "rlwrap", "scl", "sem", "socat", "supervise", "tini", "toybox", "unbuffer"),
    *("vglrun", "watchexec", "winpty", "xcrun", "xvfb-run", "zrun"),
    *("arch-chroot", "autossh", "box64", "bpftrace", "concurrently", "cpulimit", "cross-env"),
    *("envchain", "gpg-agent", "hyperfine", "kcov", "lxc-attach", "lxc-execute", "nocache", "nq"),
    *("pdsh", "qemu-aarch64", "qemu-x86_64", "retry", "schroot", "setlock", "stap", "teller"),
    *("trickle", "tsp", "uftrace", "wine", "xinit", "xterm"),
)
HIDING = frozenset((*_HIDING_BUILTINS, *_STARTING_PROGRAMS))
"""Programs that run words which are not taken apart here, or set variables to unknown text."""

LOADER = re.compile(r"ld-[\w.-]*\.so[\w.]*")
"""The program that starts all others, by its file name."""

_EXEC = ("asdf", "bundle", "cabal", "direnv", "mise", "nodenv", "nvm", "opam", "pyenv", "rbenv")
RUNNERS: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(("conda", "hatch", "mamba", "micromamba", "pdm", "pipenv"), frozenset({"run"})),
    **dict.fromkeys(("poetry", "rye", "uv"), frozenset({"run"})),
    "pixi": frozenset({"exec", "run", "x"}),
    **dict.fromkeys((*_EXEC, "stack", "tox"), frozenset({"exec"})),
    **dict.fromkeys(("bun", "mise", "npm", "pnpm", "yarn"), frozenset({"dlx", "exec", "x"})),
    **{name: frozenset({name}) for name in ("bunx", "npx", "pnpx", "uvx")},
}
"""Programs that run another after one of some words, besides what else they do."""

CONTAINERS: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(("docker", "kubectl", "nerdctl", "podman"), frozenset({"exec", "run"})),
    **dict.fromkeys(("aws-vault", "chamber", "incus", "ip", "lxc"), frozenset({"exec"})),
    **dict.fromkeys(
        ("doppler", "foreman", "honcho", "infisical", "op"), frozenset({"run", "start"})
    ),
    "sops": frozenset({"exec-env", "exec-file"}),
    **dict.fromkeys(("flatpak", "snap", "toolbox", "rustup"), frozenset({"run"})),
    **dict.fromkeys(("nix", "guix"), frozenset({"develop", "run", "shell"})),
}
"""Programs that do so elsewhere, or after more words than are known here."""

DEFAULTS: Mapping[str, str] = dict.fromkeys(("bundle", "bundler", "yarn"), "install")
"""What programs do that are told nothing."""

_REMOTE = ("--exec", "--receive-pack", "--upload-pack")
STARTING_OPTIONS: Mapping[str, tuple[str, ...]] = {
    "cargo": ("--config",),
    "cmake": ("-E",),
    **dict.fromkeys(("cvs", "rsync"), ("-e", "--rsh", "--rsync-path")),
    "git": ("-c", "--config-env", "--exec-path"),
    **dict.fromkeys(
        (f"git {one}" for one in ("archive", "fetch", "fetch-pack", "ls-remote", "pull", "push")),
        _REMOTE,
    ),
    "git bisect": ("run",),
    "git clone": ("-c", "-u", "--config", "--upload-pack"),
    "git difftool": ("-x", "--extcmd"),
    "git filter-branch": ("-f", "--env-filter", "--tree-filter", "--index-filter"),
    "git grep": ("-O", "--open-files-in-pager"),
    "git rebase": ("-x", "--exec"),
    "git submodule": ("foreach",),
    "go": ("-exec", "-toolexec", "-vettool", "--exec", "--toolexec", "--vettool"),
    "man": ("-P", "--pager"),
    "rg": ("--pre", "--hostname-bin"),
    "sort": ("--compress-program",),
    "split": ("--filter",),
    **dict.fromkeys(("ex", "nvim", "vi", "vim"), ("-c", "-S", "--cmd")),
    **dict.fromkeys(
        ("bsdtar", "tar"),
        (
            *("-F", "-I", "--checkpoint-action", "--info-script", "--new-volume-script"),
            *("--rmt-command", "--rsh-command", "--to-command", "--use-compress-program"),
        ),
    ),
}
"""Words after which programs start what the line names."""

GIT_VALUED = frozenset({"-C", "--git-dir", "--work-tree", "--namespace", "--super-prefix"})

DECLARING = frozenset({"declare", "export", "local", "readonly", "typeset", "unset"})

CHANGES_FOLDER = frozenset({"cd", "chdir", "popd", "pushd"})

MAKES_LINKS = frozenset({"ln"})

FOLDER_OPTIONS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("bsdtar", "make", "tar"), ("-C", "--directory", "--cd")),
    "cargo": ("-C",),
    "env": ("-C",),
    "find": ("-execdir", "-okdir"),
    "git": ("-C", "--work-tree"),
    "go": ("-C",),
    "just": ("-d", "--working-directory"),
    "ninja": ("-C",),
    "npm": ("-C", "--prefix"),
    "patch": ("-d", "--directory"),
    "pnpm": ("-C", "--dir"),
    "sudo": ("-D", "-R"),
    "uv": ("--directory", "--project"),
    "yarn": ("--cwd",),
}
"""Options with which relative paths are relative to another folder."""

WRITERS = frozenset(
    {
        *("chattr", "chgrp", "chmod", "chown", "cp", "csplit", "dd", "install", "link", "ln"),
        *("mkdir", "mkfifo", "mknod", "mktemp", "mv", "patch", "rm", "rmdir", "rsync", "sed"),
        *("setfacl", "shred", "split", "symlink", "tee", "touch", "truncate", "unlink"),
    }
)
"""Programs whose arguments count as files to be written."""

GNU = WRITERS | {*PASSING, "chroot", "find", "make", "tar"}
"""Programs that are installed with a ``g`` before their names on other systems."""

SHELL_OPTIONS = frozenset(
    {
        *("errexit", "errtrace", "functrace", "monitor", "noclobber", "noexec", "noglob"),
        *("notify", "nounset", "physical", "pipefail", "posix", "verbose", "xtrace"),
        *("dotglob", "failglob", "globstar", "inherit_errexit", "lastpipe", "nocaseglob"),
        *("nullglob", "globasciiranges", "xpg_echo"),
    }
)
"""Options that ``set -o`` and ``shopt`` may switch, as with them a line reads as without."""

_EVALUATED = (
    # text that shells run: as arithmetic, in prompts, as a file, as options
    *("BASHOPTS", "BASHPID", "BASH_*", "COMP_*", "ENV", "EPOCH*", "EUID", "FUNCNEST", "HIST*"),
    *("LINENO", "MAIL", "MAILCHECK", "MAILPATH", "OPTIND", "POSIXLY_CORRECT", "PPID", "PROMPT*"),
    *("PS0", "PS1", "PS2", "PS3", "PS4", "RANDOM", "RPROMPT", "RPS1", "SECONDS", "SHELLOPTS"),
    *("SRANDOM", "UID", "ZDOTDIR", "aliases", "functions", "path"),
    # where any program takes code from, or configuration that names some
    *("*npm_config_script_shell", "CARGO_BUILD_*", "CARGO_HOME", "CARGO_TARGET_*_*", "DYLD_*"),
    *("EXECIGNORE", "EXINIT", "FPATH", "GCONV_PATH", "GIT_*", "GLIBC_TUNABLES", "GNUMAKEFLAGS"),
    *("HOME", "JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "LD_*", "LOCPATH", "MAKEFILES"),
    *("MAKEFLAGS", "NODE_OPTIONS", "OPENSSL_CONF", "PATH", "PERL5*", "PYTHONHOME"),
    *("PYTHONSTARTUP", "RUBYOPT", "RUSTC*", "TAR_OPTIONS", "VIMINIT", "XDG_*", "_JAVA_OPTIONS"),
    *("AWS_CONFIG_FILE", "CCACHE_*", "DOTNET_STARTUP_HOOKS", "GOENV", "GOFLAGS", "KUBECONFIG"),
    *("LESS", "LESSKEY*", "LUA_INIT*", "PYTEST_ADDOPTS", "PYTEST_PLUGINS", "PYTHONBREAKPOINT"),
    *("RIPGREP_CONFIG_PATH",),
)

_PLAIN = (
    *("GIT_AUTHOR_*", "GIT_COMMITTER_*", "GIT_MERGE_AUTOEDIT", "GIT_OPTIONAL_LOCKS"),
    "GIT_TERMINAL_PROMPT",
)

_RUN = (
    *("*ASKPASS", "*EDITOR", "*PAGER", "*_RSH", "*_SSH", "BROWSER", "FCEDIT", "GIT_EXTERNAL_DIFF"),
    *("GIT_PROXY_COMMAND", "GIT_SSH_COMMAND", "LESSCLOSE", "LESSOPEN", "SHELL", "VISUAL"),
    *("AR", "CC", "CPP", "CXX", "RUSTC"),
)


def is_evaluated(variable: str) -> bool:
    """Whether setting a variable may change what shells or other programs start."""
    return _is_one_of(_EVALUATED, variable) and not _is_one_of(_PLAIN, variable)


def is_run(variable: str) -> bool:
    """Whether programs take the text of a variable for a command."""
    return _is_one_of(_RUN, variable)


def _is_one_of(patterns: Iterable[str], variable: str) -> bool:
    return any(fnmatchcase(variable, pattern) for pattern in patterns)
