"""What a policy allows is what bash does: random lines, read by both.

``SIGNEDIN_POLICY_LINES=50000`` runs more of them, ``SIGNEDIN_POLICY_SEED`` others.
"""

import contextlib
import os
import random
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from signedin import ApprovalRequest
from signedin.safety.policy import Policy, allow, ask, deny, no_network, only, readonly

LINES = int(os.environ.get("SIGNEDIN_POLICY_LINES", "500"))
SEED = int(os.environ.get("SIGNEDIN_POLICY_SEED", "14"))
NOBODY = {"user": 65534, "group": 65534, "extra_groups": ()} if os.geteuid() == 0 else {}
"""Random lines can do harm: they never run as root, and only what they are given is theirs."""
KEY = "K3Y-0F-TH3-T3ST"
HARMLESS = (
    *("cat", "chmod", "choom", "chrt", "cp", "dd", "env", "find", "grep", "head", "ionice", "ln"),
    *(
        "ls",
        "mkdir",
        "mktemp",
        "mv",
        "nice",
        "nohup",
        "prlimit",
        "setpriv",
        "setsid",
        "stdbuf",
        "tail",
    ),
    *("taskset", "tar", "tee", "time", "timeout", "touch", "tr", "wc", "xargs"),
)

PIECES = [
    *("rm", " ", " ", "\n", ";", "&&", "||", "|", "&", "(", ")", "{ ", "; }", "$(", "`", "'", '"'),
    *("\\", "\\\n", "echo ", "true", "X=rm", "$X", "${X}", "!", "#", "<<E", "\nE\n", "<<<", "$'"),
    *("eval ", "if ", "; then ", "; fi", "bash -c ", "env ", "command ", "r", "m", "x", "~", "*"),
    *(
        "for i in a; do ",
        "; done",
        "case a in a) ",
        ";; esac",
        "f() ",
        "f",
        "[[ ",
        " ]]",
        "((",
        "))",
    ),
    *("=", ">o", "2>&1", "<(", "exec ", "time ", "coproc ", "-", "{rm,x}", "E", "\t", "é", "\\rm"),
    *("a[$(rm)]", "'a[$(rm)]'", "$((", "$[", "]", "$((x))", "x=", "${x:", "${x=", "}", "`rm`"),
    *("for x in ", "select x in ", "declare ", "-i ", "-n ", "-v ", "printf ", "read ", "local "),
    *("unset ", "let ", " -eq 0", "[ ", "test ", "${!x}", "@P}", "${x-", "${x/a/", "RANDOM="),
    *("<<E\n", "\nE", "\\`", "-a ", "%n", " PATH", "; ls", "'a=($(rm))'", "set -k", "ls ", "cat "),
]
PATHS = [
    *("x", "src", "src/f", "src/l/f", "src/l/../f", "src/./l/../f", "src/d/../f", "src/../f", "f"),
    *("src/s/../key", "secrets/key", "secrets/sub/../key", "./secrets/key", "src/s/..//key"),
    *("/proc/self/cwd/secrets/key", "/proc/self/cwd/f", "/proc/thread-self/cwd/src/../f"),
    *("/proc/self/root/WORK/secrets/key", "WORK/src/f", "WORK/src/l/../f", "OUT/f", "~/f", "'~/f'"),
    *("/dev/fd/3", "/dev/stdin", "/dev/null", "/dev/tcp/127.0.0.1/PORT", "src/n/f"),
    *("/dev/udp/127.0.0.1/PORT", '"/dev/tcp/127.0.0.1/PORT"', "/dev/t'cp'/127.0.0.1/PORT", "$X"),
    *("$(echo f)", "{src/f,f}", "src/*", "s*/key", "sec''rets/key", '"secrets"/key', "$PWD/f"),
    *("../out/f", "src/l", "src/s", "link", "src/../secrets/key", "src/new/../../f"),
]
SIMPLE = [
    *(
        "rm x",
        "rm x",
        "rm x",
        "ls",
        "true",
        "echo hi",
        "cat x",
        "cat PATH",
        "cat PATH PATH",
        "5/ls",
    ),
    *("grep -fPATH x", "grep -h K PATH", "grep -hfPATH -e K PATH", "head -n1 PATH", "tail PATH"),
    *(
        "tar -Csecrets -cf - key",
        "tar -C secrets -cO key",
        "tar -cf - PATH",
        "tee PATH",
        "cp x PATH",
    ),
    *("touch PATH", "dd if=x of=PATH", "cp -tPATH x", "cp --target-directory=PATH x", "mkdir PATH"),
    *("ln -s PATH PATH", "ln -sf ../../out src/n", "mv PATH PATH", "cd PATH", "cd src/l", "exec"),
    *("echo hi >PATH", "echo hi >>PATH", "echo hi >|PATH", "echo hi &>PATH", "echo hi >&PATH"),
    *("cat <PATH", "cat 3<PATH <&3", "cat <>PATH", "exec 3<PATH", "exec 3<>PATH", "exec 4>PATH"),
    *("echo hi 1<PATH >/dev/stdout", "echo hi 3<PATH >/dev/fd/3", "tee /dev/stdin <PATH", ">PATH"),
    *("printf '12345%n' PATH", "printf '1%n' 'a[$(rm x)]'", "printf %s x", "printf -v x %s y"),
    *("printf -- '%n' PATH", "printf $'\\x25n' PATH", "printf '%5.*ln' 1 2 PATH", 'printf "$F" x'),
    *("read x", "read 'a[$(rm x)]' <<<1", "mapfile -t a <x", "mapfile -C 'rm x' -c1 a <x", "wait"),
    *("wait -p 'a[$(rm x)]'", "jobs -x rm x", "jobs", "getopts a 'b[$(rm x)]'", "let 'a[$(rm x)]'"),
    *("declare -a 'a=($(rm x))'", "declare -a a='([$(rm x)]=1)'", "declare -A 'a=([x]=$(rm x))'"),
    *("typeset 'a=($(rm x))'", "a=(1); declare 'a=($(rm x))'", "export -- 'a=($(rm x))'"),
    *("readonly -a 'a=($(rm x))'", "declare -i 'a=b[$(rm x)]'", "declare -n 'a=b[$(rm x)]'; a=1"),
    *("unset 'a[$(rm x)]'", "test -v 'a[$(rm x)]'", "[[ -v 'a[$(rm x)]' ]]", "[ -v x ]", "set -k"),
    *(
        "set -o history -H",
        "!!:1 x",
        "!rm",
        "set -euo pipefail",
        "set -- rm x",
        '"$@"',
        "shopt -s extglob",
    ),
    *("echo !(rm x)", "trap 'rm x' EXIT", "alias ls='rm x'", "enable -f x rm", "hash -p bin/rm ls"),
    *("bind -x '\"a\": rm x'", "complete -C 'rm x' x", "compgen -C 'rm x'", "compgen -W '$(rm x)'"),
    *("history -s rm x", "fc -s", ". ./script", "source script"),
    *("command rm x", "builtin eval rm x", "exec rm x", "command . ./script", "coproc rm x"),
    *(
        "echo ${x@P}",
        "echo ${!x}",
        "echo $((a[$(rm x)]))",
        "echo ${x:-`rm x`}",
        "echo ${a[$(rm x)]}",
    ),
    *(
        "((x=1))",
        "x=5; PATH=$x; ls",
        "ls() { rm x; }",
        "f() { rm x; }",
        "f",
        "eval 'rm x'",
        "rm\\\n x",
    ),
    *("bash -s <<<'rm x'", "bash /dev/stdin <<<'rm x'", "echo rm x | bash", "bash <(echo rm x)"),
    *("find x -exec rm {} +", "find . -execdir touch src/f ';'", "find x -exec echo {} +"),
    *(
        "cat <<E\n`rm x`\nE",
        "cat <<'E'\n$(rm x)\nE",
        "cat <<<`echo hi`",
        "xargs rm <x",
        "xargs ls <x",
        *("xargs -Ils env ls x <names", "xargs -I% bash -c '% x' <names", "sh 0<script"),
        *("bash 0<<<'rm x'", "eval -- rm x", "bash //proc/self/fd/0 <script", "tee -- -f <x"),
        *("env time -o f ls", "mktemp -p../out", "command eval -- 'rm x'", "xargs -I% % x <names"),
    ),
]
ASSIGNED = [
    *("X=1", "PATH=5", "PATH=./5:$PATH", "MAILPATH='x?$(rm x)'", "PS4='$(rm x)'", "PS0='`rm x`'"),
    *("BASH_ENV=script", "ENV=./script", "PROMPT_COMMAND='rm x'", "RANDOM='a[$(rm x)]'", "CI=1"),
    *("GIT_PAGER='rm x'", "PAGER=cat", "EDITOR='bash -c \"rm x\"'", "SHELLOPTS=xtrace", "HOME=."),
    *("SECONDS='a[$(rm x)]'", "OPTIND='a[$(rm x)]'", "LD_PRELOAD=./x", "x='a[$(rm x)]'"),
    *("BASH_FUNC_ls%%='() { rm x; }'", "a=($(rm x))", "a[$(rm x)]=1", "a='($(rm x))'", "F='1%n'"),
]
STARTED = [
    *(
        "env",
        "env -i",
        "env -C src",
        "env --chdir=secrets",
        "env -S",
        "nohup",
        "nice -n5",
        "setsid",
    ),
    *("timeout 5", "timeout -k1 5", "stdbuf -oL", "ionice -c3", "taskset 1", "taskset -c 0"),
    *("chrt -o 0", "setpriv --nnp", "prlimit --nofile=99", "choom -n 0 --", "xargs", "xargs -0n1"),
    *(
        "command",
        "builtin",
        "exec",
        "exec -a y",
        "time",
        "time -p",
        "!",
        "coproc",
        "jobs -x",
        "env --",
    ),
]
AROUND = [
    *("{}", "({})", "{{ {}; }}", "$({})", "echo $({})", 'echo "$({})"', "echo `{}`", 'echo "`{}`"'),
    *("cat <({})", "{} > >(cat)", "if {}; then true; fi", "for i in 1; do {}; done", "X=$({})"),
    *("case x in x) {};; esac", "[[ -f $({}) ]]", "[[ '$({})' -eq 0 ]]", "echo ${{X:-$({})}}"),
    *("echo $(( $({}) ))", "cat <<E\n$({})\nE", "cat <<E\n`{}`\nE", 'cat <<<"$({})"', "{} &"),
    *("printf '%s' \"$({})\"", "{} 2>&1 | cat", "declare x=$({})", "while {}; do break; done"),
]
QUOTED = ["bash -c", "sh -c", "eval", "bash -ic", "env -S", "trap", "nohup bash -ec"]
JOINED = ["{0}; {1}", "{0} && {1}", "{0} || {1}", "{0} | {1}", "{0}\n{1}", "{0} & {1}"]


class Ground:
    """A folder in which lines are run, with programs and files that must stay as they are."""

    def __init__(self, base: Path) -> None:
        self.base, self.work, self.ran = base, base / "work", base / "ran"
        self.programs = base / "bin"
        self.planted = base / "planted"
        self._server = socket.create_server(("127.0.0.1", 0))
        self._server.setblocking(False)
        self.port = self._server.getsockname()[1]
        self._datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._datagrams.bind(("127.0.0.1", self.port))
        self._datagrams.setblocking(False)
        self.programs.mkdir()
        for name in HARMLESS:
            if found := shutil.which(name, path="/usr/bin:/bin"):
                (self.programs / name).symlink_to(found)
        (self.programs / "bash").symlink_to("/bin/bash")
        self._plant(self.programs / "rm", self.ran)
        self.lay()

    def _plant(self, program: Path, mark: Path) -> None:
        program.write_text(f"#!/bin/bash\n: > '{mark}'\n")
        program.chmod(0o755)

    def lay(self) -> None:
        """Makes all files anew."""
        for folder in (self.work, self.base / "out"):
            shutil.rmtree(folder, ignore_errors=True)
        for folder in ("work/src/d", "work/secrets/sub", "work/5", "out/sub"):
            (self.base / folder).mkdir(parents=True)
        (self.work / "src/l").symlink_to("../../out/sub")
        (self.work / "src/s").symlink_to("../secrets/sub")
        (self.work / "link").symlink_to("/proc/self/cwd")
        (self.work / "secrets/key").write_text(f"{KEY}\n")
        (self.work / "x").write_text("1\n")
        (self.work / "script").write_text("rm x\n")
        (self.work / "names").write_text("rm\n")
        for name in ("ls", "cat"):
            self._plant(self.work / "5" / name, self.planted)
        for each in (self.base, *self.base.rglob("*")):
            if NOBODY and not each.is_relative_to(self.programs):
                os.chown(each, 65534, 65534, follow_symlinks=False)
        self._before = self._files()

    def _files(self) -> dict[str, tuple[int, int]]:
        found = (each for folder in (self.work, self.base / "out") for each in folder.rglob("*"))
        stats = {str(each.relative_to(self.base)): each.lstat() for each in found}
        return {name: (one.st_mode, one.st_size) for name, one in stats.items()}

    def changed(self) -> set[str]:
        """Returns the files that are not as before, and lays them again."""
        after = self._files()
        if after == self._before:
            return set()
        found = {name for name, _ in after.items() ^ self._before.items()}
        self.lay()
        return found

    def was_reached(self) -> bool:
        """Whether a line has reached the network since it was last asked."""
        reached = False
        with contextlib.suppress(BlockingIOError):
            self._server.accept()[0].close()
            reached = True
        with contextlib.suppress(BlockingIOError):
            self._datagrams.recv(100)
            reached = True
        return reached

    def was_run(self, mark: Path) -> bool:
        """Whether a line has started a program since it was last asked."""
        found = mark.exists()
        mark.unlink(missing_ok=True)
        return found

    def run(self, line: str) -> str:
        with subprocess.Popen(
            ["/bin/bash", "-c", line],
            cwd=self.work,
            env={"PATH": str(self.programs), "HOME": str(self.base / "out")},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            **NOBODY,
        ) as process:
            try:
                return process.communicate(timeout=2)[0].decode(errors="replace")
            except subprocess.TimeoutExpired:
                return ""
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)

    def close(self) -> None:
        self._server.close()
        self._datagrams.close()


@pytest.fixture
def ground() -> Iterator[Ground]:
    with tempfile.TemporaryDirectory(prefix="signedin-policy-") as folder:
        ground = Ground(Path(folder).resolve())
        yield ground
        ground.close()


class Lines:
    """Makes lines of the kinds above, some of them damaged."""

    def __init__(self, name: str, ground: Ground) -> None:
        self._source, self._ground = random.Random(SEED), ground
        network = name not in {"deny", "read"}
        self._paths = [path for path in PATHS if network or "PORT" not in path]
        allowed = (each for each in SIMPLE if answer(name, ground, each.replace("PATH", "src/f")))
        self._likely = [*allowed]

    def _simple(self) -> str:
        """A command; most of them such that the line has a chance to be allowed."""
        return self._source.choice(self._likely if self._source.random() < 0.7 else SIMPLE)

    def line(self, depth: int = 3) -> str:
        chance = self._source.random()
        if depth == 0 or chance < 0.25:
            return self._filled(self._simple())
        inner = self.line(depth - 1)
        if chance < 0.4:
            return f"{self._source.choice(STARTED)} {inner}"
        if chance < 0.5:
            return f"{self._source.choice(ASSIGNED)}{self._source.choice(' ;')} {inner}"
        if chance < 0.6:
            return f"{self._source.choice(QUOTED)} {shlex.quote(inner)}"
        if chance < 0.65:
            return "echo `" + inner.replace("\\", "\\\\").replace("`", "\\`") + "`"
        if chance < 0.8:
            return self._source.choice(AROUND).format(inner)
        return self._source.choice(JOINED).format(inner, self.line(depth - 1))

    def _filled(self, line: str) -> str:
        while "PATH" in line and "PATH=" not in line and "%" not in line:
            line = line.replace("PATH", self._source.choice(self._paths), 1)
            if "$PWD" in line:
                break
        ground = self._ground
        line = line.replace("WORK", str(ground.work)).replace("OUT", str(ground.base / "out"))
        return line.replace("PORT", str(ground.port))

    def damaged(self) -> str:
        line = self.line()
        for _ in range(self._source.choice((0, 0, 0, 1, 2))):
            at = self._source.randrange(len(line) + 1)
            line = (
                line[:at] + self._source.choice(PIECES) + line[at + self._source.choice((0, 1)) :]
            )
        return line

    def pieces(self) -> str:
        while "rm" not in (line := "".join(self._source.choices(PIECES, k=self._length()))):
            pass
        return line

    def _length(self) -> int:
        return self._source.randint(2, 14)


NAMED = allow(
    *("cat *", "cd *", "cp *", "dd *", "echo *", "exec", "head *", "ln *", "ls *", "mkdir *"),
    *("mv *", "printf *", "tail *", "tee *", "touch *", "true", "5/ls"),
)
POLICIES = {
    "deny": [deny("rm *"), allow("*")],
    "read": [deny(read="secrets/**"), allow("*")],
    "network": [*no_network, allow("*")],
    "readonly": readonly,
    "only": [*only("src"), NAMED, ask("*")],
}
RULES = {name: Policy.of(rules) for name, rules in POLICIES.items()}


def broken(name: str, ground: Ground, line: str) -> bool:
    """Whether a line that a policy allows does what that policy is against."""
    out = ground.run(line)
    ran, planted = ground.was_run(ground.ran), ground.was_run(ground.planted)
    reached, changed = ground.was_reached(), ground.changed()
    match name:
        case "deny":
            return ran
        case "read":
            return KEY in out
        case "network":
            return reached
        case "readonly":
            return ran or planted or reached or bool(changed)
        case _:
            return reached or any(not each.startswith("work/src") for each in changed)


def answer(name: str, ground: Ground, line: str) -> bool:
    """Whether a policy allows a line."""
    request = ApprovalRequest(subject="command", item_id="c", command=line)
    return RULES[name].answer(request, ground.work).verdict == "allow"


def run_lines(name: str, ground: Ground, make: Callable[[], str], count: int) -> None:
    """Runs so many of the lines that a policy allows, and fails at the first that breaks it."""
    allowed = 0
    while allowed < count:
        line = make()
        if answer(name, ground, line):
            allowed += 1
            assert not broken(name, ground, line), line


def test_no_line_of_any_pieces_runs_what_is_denied(ground: Ground) -> None:
    run_lines("deny", ground, Lines("deny", ground).pieces, LINES // 2)


@pytest.mark.parametrize("name", POLICIES)
def test_no_line_that_is_allowed_breaks_the_policy(ground: Ground, name: str) -> None:
    run_lines(name, ground, Lines(name, ground).damaged, LINES // 2 // len(POLICIES))


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("deny", "echo `echo \\`rm x\\``"),
        ("read", "cat src/s/../key"),
        ("network", "echo hi > /dev/tcp/127.0.0.1/PORT"),
        ("network", "echo hi > /dev/udp/127.0.0.1/PORT"),
        ("readonly", "printf '12345%n' PATH; ls"),
        ("readonly", "echo hi 1< x > /dev/stdout"),
        ("only", "echo hi > src/l/../f"),
    ],
)
def test_what_breaks_a_policy_is_noticed(ground: Ground, name: str, line: str) -> None:
    assert broken(name, ground, line.replace("PORT", str(ground.port)))
    assert not broken(name, ground, "true")
