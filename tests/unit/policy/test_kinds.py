"""What docs/policies.md says about commands: one table for each kind that it names."""

from pathlib import Path

import pytest

from signedin import ApprovalRequest, InvalidOptionError
from signedin.model.events import FileChange
from signedin.safety.policy import Policy, Rule, allow, ask, deny, no_network, only, readonly

DENIED = [deny("rm *"), allow("*")]
HIDDEN = [
    # builtins that set variables or run text
    *("jobs -x rm x", "wait -p 'a[$(rm x)]'", "read x", "mapfile -C 'rm x' -c1 a", "readarray a"),
    *("getopts a b", "printf -v x y", "printf '12345%n' PATH", "printf '%5.*ln' 1 2 PATH"),
    *("printf -- %n PATH", 'printf "$F" x', "printf *", "let x", "trap 'rm x' EXIT", "fc -s"),
    *("alias ls='rm x'", "source x", ". x", "enable -f x y", "hash -p x ls"),
    "bind -x '\"a\": rm x'",
    *("complete -C 'rm x' x", "compgen -W '$(rm x)'", "coproc rm x", "set -o history -H", "set -k"),
    *("shopt -s extglob", "set +x -o keyword", "declare -a 'a=($(rm x))'", "export 'a=($(rm x))'"),
    *("declare -a a='([$(rm x)]=1)'", "declare -A 'a=([x]=$(rm x))'", "local 'a=( $(rm x))'"),
    # backquotes in backquotes, and what is read once more in them
    *("echo `echo \\`rm x\\``", 'echo "`echo \\"\\`rm x\\`\\"`"', "echo `echo \\\\`"),
    "echo `'`' rm x`",
    # words that touch, and what the parser leaves out
    *("\\ #ls $(rm x)", "bash -c '\\ #ls $(rm x)'"),
    *(
        "X='a'\\ ls rm x",
        "ls 'a'\\ ; rm x",
        "X='a'\\; rm x",
        "X='a'\\& rm x",
        "ls 'a'\\; rm x",
        "for x in 'a'\\; rm; do ls; done",
    ),
    # programs that start another
    *("taskset 1 rm x", "chrt -o 0 rm x", "setpriv --nnp rm x", "prlimit --nofile=99 rm x"),
    *("linux64 rm x", "i386 rm x", "x86_64 rm x", "uname26 rm x", "choom -n 0 -- rm x"),
    "sg a 'rm x'",
    *("ssh-agent rm x", "run-parts d", "unshare rm x", "capsh -- -c 'rm x'", "chroot / rm x"),
    *("/lib64/ld-linux-x86-64.so.2 /bin/rm x", "ld.so /bin/rm x", "gdb -ex 'shell rm x'"),
    *("strace rm x", "valgrind rm x", "xvfb-run rm x", "faketime 1 rm x", "toybox rm x"),
    "tini rm x",
    *("dbus-run-session rm x", "start-stop-daemon --start --exec /bin/rm -- x", "watch rm x"),
    *("gchroot / rm x", "env -S 'rm x'", "timeout --foreground 5 rm x", "zmodload x"),
    "script -c 'rm x'",
    *("uv run --with x rm y", "npm exec -c 'rm x'", "docker run --rm a rm x", "podman exec a rm x"),
    *("nix shell -c rm x", "conda run -n base rm x", "kubectl exec a -- rm x"),
    # a shell that reads a stream
    *("bash /dev/stdin <<< 'rm x'", "sh /proc/self/fd/0", "echo rm x | sudo -s", "bash -kc 'rm x'"),
    *("bash //dev/stdin <<< 'rm x'", "sh ../../../dev/fd/0", "bash /./proc/self/fd/0", "sh 0<f"),
    *("bash -s 0<&3", "echo rm | xargs -I% bash -c '% x'", "echo rm | xargs -I % env % x"),
    "cat f | xargs -0Ils env ls",
    # what options and subcommands start
    *("git -c alias.x='!rm x' x", "git -C sub -ccore.pager='rm x' log", "git --exec-path=. log"),
    *("git --git-dir x --config-env=a=B log", "git $X log", "git bisect run rm x"),
    *("git submodule -q foreach rm x", "git rebase HEAD~1 -x 'rm x'", "git difftool --ext=rm"),
    *("git fetch --upload-pack='rm x' .", "git clone -c core.pager=x . y", "git grep -O'rm x' y"),
    *("tar -xf a --to-comm='rm x'", "tar -I 'rm x' -cf a b", "rsync -ae 'rm x' a b:c", "fd -xrm"),
    *("sort --compress-program=rm x", "split --f='rm x' y", "rg --pre rm x", "fd -aX rm"),
    *("go test --exec 'rm x'", "cmake -E rm x", "vim -c '!rm x'", "hyperfine 'rm x'"),
    *("ip netns exec a rm x", "op run -- rm x", "time -o f rm x", "fd --exec=rm"),
    # variables that make another program start
    *("LESS='+!rm x' less f", "GOFLAGS=-toolexec=rm go build", "KUBECONFIG=x kubectl get x"),
    *("PATH=. ls", "PATH=$PATH:. ls", "LD_PRELOAD=./x ls", "MAILPATH='f?$(rm x)' bash -ic true"),
    *("BASH_ENV=x bash -c true", "PS0='$(rm x)' bash -ic true", "HOME=. git log"),
    "GIT_DIR=x git log",
    *("SHELLOPTS=history bash -c x", "env LD_LIBRARY_PATH=. ls", "for PATH in .; do ls; done"),
    *("export MAIL=x", "declare GIT_CONFIG_COUNT=1", "MAKEFLAGS=x make"),
]
SEEN = [
    *(
        "uv run rm x",
        "poetry run rm x",
        "npm exec -- rm x",
        "bundle exec rm x",
        "mise exec -- rm x",
    ),
    *("PAGER='rm x' git log", "GIT_PAGER='sh -c \"rm x\"' git log", "export EDITOR='env rm'"),
    "exec rm x",
    *("gtimeout 5 rm x", "gxargs rm", "noglob rm x", "exec 3< <(rm x)", "genv X=1 rm x"),
    *("eval rm x", "eval -- rm x", "builtin eval -- 'rm x'", "npx rm x", "yarn dlx rm x"),
    *("mise x -- rm x", "CC='rm x' make", "ls | xargs -I% rm %"),
    *("SUDO_ASKPASS=rm sudo -A ls", "ls() { rm x; }; ls", "builtin command rm x"),
    "cat <<< $(rm x)",
]
PLAIN = [
    "python3 - <<'EOF'\nprint('x')\nEOF",
    *("uv run pytest", "docker ps", "npm test", "npm run rm", "poetry install", "npm exec -- x"),
    *("PAGER=cat git log", "GIT_PAGER= git log", "PYTHONPATH=src pytest", "CI=1 npm test"),
    "set -x",
    *("GIT_AUTHOR_NAME=x git log", "NODE_ENV=test npm test", "export FOO=bar"),
    "EDITOR=vim git commit",
    *("set -euo pipefail; ls", "set -- a b", "shopt -s nullglob globstar", "printf '%s\\n' \"$x\""),
    *("printf '100%%n'", "printf -- '%d' 1", 'cat < "$f"', "f() { ls; }; f"),
    'echo `date` "`date`"',
    *("jobs; wait", "ls > /dev/null 2>&1", "for f in a b; do wc -l < $f; done"),
    "git -C sub status",
    *("git switch -c x", "git commit -c HEAD", "git diff --cached", "git push -u origin x"),
    *("git clean -fdx", "tar -czf a.tgz b", "rsync -a a b", "rg --pretty x", "npx eslint ."),
    *("ls | xargs -I{} echo {}", "ip addr", "CC=clang make", "go test ./...", "bash dev/x"),
    *("diff <(ls a) <(ls b)", "timeout 5 make -j4", "glab mr list", "bash script.sh"),
]
FILES = {
    "deny": [
        *("grep -fsecrets/key x", "grep -rfsecrets/key x", "grep --file=secrets/key x"),
        "cat SECRETS/key",
        *("tar -Csecrets -cf - key", "env -C secrets cat key", "cat src/s/../key"),
        "cat < src/s/../key",
        *("cat ./src/../secrets/key", "git -C secrets show :key", "head -1fsecrets/key"),
        "dd if=secrets/key",
    ],
    "ask": [
        *("cat /proc/self/cwd/secrets/key", "cat /proc/thread-self/cwd/x"),
        "cat /proc/self/root/etc/x",
        *("cat /proc/self/task/1/cwd/x", "cat /dev/fd/3 3< x", "cat here/secrets/key", "cat loop"),
        *("cd src && cat ../secrets/key", "env -C src cat ../secrets/key", "make -C src x"),
        "cat '~/x'",
        *("ln -s d src/x; cat src/x", "find src -execdir cat x ';'"),
    ],
    "allow": ["cat src/../x", "cat src/l/../x", "cat /proc/cpuinfo", "cat x"],
}
WRITTEN = {
    "allow": [
        "echo x > src/f",
        "echo x > src/d/../f",
        "tee src/f",
        "cp -tsrc src/f",
        "touch WORK/src/f",
    ],
    "deny": [
        *("echo x > f", "echo x > src/l/f", "echo x > src/l/../f", "echo x > src/d/../../f"),
        *("tee src/l/../f", "tee -- -f", "cp src/f -- -f"),
        *(
            "cp --target-directory=src/l/.. src/f",
            "cp -tsrc/l src/f",
            "mkfifo f",
            "mv /dev/null src/f",
            "mv src/f f",
        ),
        "echo x > ~/f",
        *("echo x >& src/l/../f", "echo x &>> src/l/../f", "cd src && echo x > f"),
        *("env -C src touch src/f", "ln -s d src/x; echo x > src/x", "echo x > /proc/self/cwd/f"),
        *("echo x > here/src/f", "find src -execdir touch src/f ';'", "ln -s /etc src/x"),
    ],
    "ask": [
        *("patch -o../f < x", "mktemp -p..", "rsync --log-file=../f src/a src/b", "time -o f ls"),
        *("echo x > $F", "echo x > '~/f'", "tee $F", "echo x <> src/f", "touch src/*"),
    ],
}
REACHED = [
    *("cat < /dev/tcp/h/80", "echo x > /dev/tcp/h/80", "echo x >> /dev/udp/h/53"),
    "cat 3</dev/tcp/h/80",
    *("echo x >& /dev/tcp/h/80", "echo x &> /dev/tcp/h/80", 'cat < "/dev/tcp/h/80"'),
    "cat < /dev/t''cp/h/80",
    *("npm i", "npm i x", "npm ci", "npm it", "npm update", "npx x", "pnpm i", "pnpm dlx x"),
    "yarn add x",
    *("bun i", "bun install", "bunx x", "pip download x", "pip3.11 install x"),
    "python3.11 -m pip install x",
    *("uv run x", "uv sync", "uvx x", "poetry install", "pipx run x", "git remote update"),
    "git pull",
    *("git archive --format=tar --remote=x HEAD", "git -c a=b fetch"),
    "openssl s_client -connect h:1",
    *("bash -c 'npm i'", "env X=1 npm ci", "timeout 5 pip install x", "cargo fetch"),
    "go mod download",
    *(
        "npm cit",
        "npm pub",
        "npm --prefix x udpate",
        "npm sea x",
        "yarn",
        "yarn --silent",
        "bundle",
    ),
    *("pip lock x", "pip list --outdated", "python -mpip install x", "python3 -Im pip install x"),
    *("py -m pip install x", "cargo +nightly install x", "cargo binstall x", "go run x@latest"),
    *("go mod vendor", "docker-compose pull", "git maintenance run", "git -C x daemon"),
    *("getent hosts h", "gpg --recv-keys x", "terraform init", "pixi add x", "dotnet restore"),
    *("bundle install", "apt-get update", "pacman -Syu", "nc.openbsd h 80", "ssh-keyscan h"),
]
READS = [
    *("cat a b | wc -l", "grep -rn x .", "ls $X", "echo `date` $(cat x)", "[[ -f x ]] && cat x"),
    "ls >&2",
    *("env ls", "timeout 5 ls", "ls | xargs cat", "cat < x 2> /dev/null", "if true; then ls; fi"),
    "date",
    "printf '%s\\n' x",
]
UNPROVED = [
    *("git status", "git ls-files -m", "make", "sort x", "X=1", "X=1 ls", "ls() { ls; }; ls"),
    "cd x; ls",
    *("taskset 1 ls", "ls | xargs printf", "cat < $X", "cat < $(echo /dev/tcp/h/80)"),
    "find . -name x",
    *("cat f | xargs -Ils env ls x", "/usr/bin/time -o f ls", "env time -ao f ls", "git -C x log"),
    "nohup ls",
    *("git --git-dir=x log", "git --bare diff --ext-diff", "cat 0<f | sh 0<f"),
    *("cat < /dev/tcp/h/80", "printf '12345%n' PATH; ls", "echo `echo \\`ls\\``", "./ls"),
    "for x in a; do ls; done",
]


def answered(rules: list[Rule] | tuple[Rule, ...], line: str, root: Path) -> str | None:
    request = ApprovalRequest(subject="command", item_id="c", command=line)
    return Policy.of(rules).answer(request, root).verdict


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A folder with links out of it, in a folder that holds their targets."""
    for folder in ("work/src/d", "work/secrets/sub", "out/sub"):
        (tmp_path / folder).mkdir(parents=True)
    work = tmp_path / "work"
    (work / "src/l").symlink_to("../../out/sub")
    (work / "src/s").symlink_to("../secrets/sub")
    (work / "here").symlink_to("/proc/self/cwd")
    (work / "loop").symlink_to("loop")
    return work


def rows(table: dict[str, list[str]]) -> list[tuple[str, str]]:
    return [(line, verdict) for verdict, lines in table.items() for line in lines]


@pytest.mark.parametrize("line", HIDDEN)
def test_what_is_not_known_may_be_denied(work: Path, line: str) -> None:
    assert answered(DENIED, line, work) == "ask"
    assert answered(readonly, line, work) in {"ask", "deny"}
    assert answered([allow("ls *", "echo *", "printf *"), ask("*")], line, work) == "ask"


@pytest.mark.parametrize("line", SEEN)
def test_what_is_started_through_another_is_denied(work: Path, line: str) -> None:
    assert answered(DENIED, line, work) == "deny"


@pytest.mark.parametrize("line", PLAIN)
def test_what_starts_nothing_else_is_allowed(work: Path, line: str) -> None:
    assert answered(DENIED, line, work) == "allow"


@pytest.mark.parametrize(("line", "verdict"), rows(FILES))
def test_files_that_are_read_are_found_as_the_system_finds_them(
    work: Path, line: str, verdict: str
) -> None:
    rules = [deny(read=["secrets/**", "~/x"]), allow("*")]
    assert answered(rules, line, work) == verdict


@pytest.mark.parametrize(
    "name", ["SECRETS/key", "\u017fecrets/key", "secr\u200dets/key", "secrets./key", "r\u00e9s/key"]
)
def test_other_spellings_of_a_name_are_denied_and_not_allowed(work: Path, name: str) -> None:
    """A file system may treat them as the same, or as another one."""
    patterns = ["secrets/**", "re\u0301s/**"]
    allowed = [allow("echo *", write=patterns), ask("*")]
    assert answered([deny(read=patterns), allow("*")], f"cat {name}", work) == "deny"
    assert answered(allowed, f"echo > {name}", work) == "ask"
    assert answered(allowed, "echo > secrets/key", work) == "allow"


@pytest.mark.parametrize(("line", "verdict"), rows(WRITTEN))
def test_only_some_places_are_written(work: Path, line: str, verdict: str) -> None:
    rules = [*only("src"), allow("*")]
    assert answered(rules, line.replace("WORK", str(work)), work) == verdict


@pytest.mark.parametrize(
    ("path", "verdict"),
    [("src/f", "allow"), ("src/l/f", "deny"), ("src/l/../f", "deny"), ("src/d/../f", "allow")],
)
def test_only_some_places_are_changed(work: Path, path: str, verdict: str) -> None:
    changes = (FileChange(path, "update"),)
    request = ApprovalRequest(subject="file_change", item_id="c", changes=changes)
    assert Policy.of(only("src")).answer(request, work).verdict == verdict


@pytest.mark.parametrize(
    ("tool", "arguments", "verdict"),
    [
        ("Read", {"file_path": "secrets/key"}, "deny"),
        ("Read", {"file_path": "src/s/../key"}, "deny"),
        ("Grep", {"pattern": "K", "path": "secrets"}, "deny"),
        ("Grep", {"pattern": "K", "path": "."}, "ask"),
        ("Grep", {"pattern": "K", "glob": "secrets/*"}, "ask"),
        ("Glob", {"pattern": "**/key"}, "ask"),
        ("Glob", {"pattern": "secrets/*"}, "deny"),
        ("Glob", {"pattern": "../work/secrets/k*", "path": "src"}, "deny"),
        ("Read", {"file_path": "src/x"}, "allow"),
    ],
)
def test_tools_that_read(work: Path, tool: str, arguments: dict[str, str], verdict: str) -> None:
    request = ApprovalRequest(subject="tool", item_id="t", tool=tool, arguments=arguments)
    rules = [deny(read="secrets/**"), allow("*")]
    assert Policy.of(rules).answer(request, work).verdict == verdict


@pytest.mark.parametrize("line", REACHED)
def test_what_is_known_to_reach_a_host(work: Path, line: str) -> None:
    assert answered([*no_network, allow("*")], line, work) == "deny"
    assert answered(readonly, line, work) in {"ask", "deny"}


@pytest.mark.parametrize(
    "line",
    [
        *("npm test", "npm run add", "npm start", "npm ls", "npm prefix", "npm config get x"),
        *("git remote -v", "cargo build", "ls", "yarn test", "pnpm run x", "python -m pytest"),
        *("go build", "go mod edit", "uv version", "bundle exec x"),
    ],
)
def test_what_is_not_known_to_reach_a_host(work: Path, line: str) -> None:
    assert answered([*no_network, allow("*")], line, work) == "allow"


def test_a_redirection_to_what_is_not_known_may_reach_a_host(work: Path) -> None:
    for line in ("cat < $X", "exec 3<>/dev/tcp/$H/80"):
        assert answered([*no_network, allow("*")], line, work) == "ask"
    assert answered([allow("cat *", network="h")], "cat < /dev/tcp/h/80", work) == "allow"
    assert answered([allow("cat *", network="h")], "cat < /dev/tcp/i/80", work) is None
    for line in ("cat < /dev/tcp/h./80", "cat < /dev/tcp/H/80"):
        assert answered([deny(network="h"), allow("*")], line, work) == "deny"


@pytest.mark.parametrize("line", READS)
def test_readonly_allows_what_only_reads(work: Path, line: str) -> None:
    assert answered(readonly, line, work) == "allow"


@pytest.mark.parametrize("line", UNPROVED)
def test_readonly_asks_about_what_it_cannot_prove(work: Path, line: str) -> None:
    assert answered(readonly, line, work) == "ask"


@pytest.mark.parametrize(
    "line",
    [
        *("cat x > y", "cat x | tee y", "ls >> y", "rm x", "cp x y", "echo x 0< y > /dev/stdin"),
        *("echo x 1< y > /dev/stdout", "bash -c 'ls > y'", "touch y"),
    ],
)
def test_readonly_denies_what_writes(work: Path, line: str) -> None:
    assert answered(readonly, line, work) == "deny"


def test_the_rules_of_the_page(work: Path) -> None:
    unattended = [*only("src", "tests"), *no_network, allow("pytest *"), ask("*")]
    lines = {
        "pytest -x > src/log": "allow",
        "pytest > log": "deny",
        "pip install x": "deny",
        "make": "ask",
    }
    assert {line: answered(unattended, line, work) for line in lines} == lines


def test_a_name_stands_for_a_variable_that_a_rule_allows(work: Path) -> None:
    assert answered([allow("PATH=*", "ls *")], "PATH=bin ls", work) == "allow"
    assert answered([allow("f()", "f", "ls *")], "f() { ls; }; f", work) == "allow"


def test_a_rule_after_the_last_of_readonly_is_refused() -> None:
    with pytest.raises(InvalidOptionError, match="never answers"):
        Policy.of([*readonly, allow("git status")])
