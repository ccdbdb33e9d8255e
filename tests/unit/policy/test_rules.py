"""What rules answer: one table of requests, and what else a policy promises."""

from pathlib import Path

import pytest

from signedin import ApprovalRequest, Decision, InvalidOptionError
from signedin.client.keywords import check_keywords
from signedin.model.approvals import deny as refuse
from signedin.model.events import FileChange
from signedin.safety.policy import Policy, allow, ask, deny, no_network, only, readonly

RULES = [
    deny("rm *", "git push", "sudo *"),
    deny(read="**/.env", write=["**/.env", "src/locked"]),
    deny(network="*.evil.example", tool="docs.delete*"),
    allow("git status", "git log *", "pytest *", "cat *", "ls *", "echo *", "find *", "CI=*"),
    allow(write="src/**", network="example.com", tool=["docs.*", "look"]),
    ask("*"),
]


def command(line: str, cwd: str | None = None) -> ApprovalRequest:
    return ApprovalRequest(subject="command", item_id="c", command=line, cwd=cwd)


def change(*paths: str, moved_to: str | None = None) -> ApprovalRequest:
    changes = tuple(FileChange(path, "update", moved_to=moved_to) for path in paths)
    return ApprovalRequest(subject="file_change", item_id="c", changes=changes)


def host(name: str | None) -> ApprovalRequest:
    arguments = {"url": f"https://{name}/x"} if name else None
    return ApprovalRequest(subject="network", item_id="c", arguments=arguments)


def use(name: str, server: str | None = None, **arguments: str) -> ApprovalRequest:
    return ApprovalRequest(
        subject="tool", item_id="c", tool=name, server=server, arguments=arguments
    )


COMMANDS = {
    "allow": [
        "git status",
        "git log --oneline -3",
        "pytest",
        "pytest -x tests",
        "git status && pytest -q",
        "git status; git log",
        "git status | cat",
        "git log 2>&1 | cat -n",
        "pytest > /dev/null",
        "/usr/bin/git status",
        "'git' \"status\"",
        "bash -c 'git status'",
        "/bin/bash -lc 'git status && pytest'",
        "sh -c \"bash -c 'pytest -q'\"",
        "env CI=1 pytest",
        "CI=1 pytest",
        "timeout 60 pytest -x",
        "nohup nice -n 5 pytest &",
        "(git status)",
        "if git status; then pytest; fi",
        "echo hello > src/new.txt",
        "cat < README.md",
        "echo 'rm x; git push'",
        "cat <<EOF\nrm x\nEOF",
        "echo a # rm x",
        "[[ -f x ]] && cat x",
    ],
    "ask": [
        "git status -s",
        "git stash",
        "./git status",
        "/tmp/git status",
        "make",
        "git status; make",
        "X=1 git status",
        "env PATH=/tmp git status",
        "PATH=/tmp; git status",
        "echo hello > other.txt",
        "echo hello > $TARGET",
        "echo hello > src/../other.txt",
        "cd src && echo hello > new.txt",
        "$CMD x",
        "g''it $WHAT",
        "r*m x",
        "{rm,-rf,x}",
        "{rm,x}; }",
        "env ]=1 rm x",
        "$'rm' x",
        "r\\\nm x",
        "bash <<EOF\nrm x\nEOF",
        "bash script.sh",
        "echo cm0geA== | base64 -d | sh",
        "eval $WHAT",
        "trap 'rm x' EXIT",
        "source setup.sh",
        "git status; (",
        "cat <<EOF > /tmp/x\nEOF",
        "cat 'unfinished",
        "find . -delete",
        "xargs -i rm {}",
        "for x in a b; do echo $x; done",
        "echo $(git status)",
        "find . -name x -exec cat {} +",
        "ls | xargs cat",
        "bash -s",
        "env",
        "bash --rcfile x -c 'git status'",
        "flock x -c 'rm y'",
        "time ! rm x",
        "git > /dev/null push",
        "ls\u00a0x",
        "cat $FILE",
    ],
    "deny": [
        "rm x",
        "rm",
        "git push",
        "git push origin main",
        "git -C /srv --no-pager push",
        "git status; rm -rf x",
        "git status\nrm x",
        "git status & rm x",
        "git status || rm x",
        "cat x | rm y",
        "/bin/rm x",
        "/opt/odd/rm x",
        "RM x",
        "r''m x",
        '"rm" x',
        "\\rm x",
        "env X=1 rm x",
        "env a.b=1 rm x",
        "bash -ec 'rm x'",
        "sudo git status",
        "nohup rm x",
        "ls | xargs -0 rm",
        "xargs -0n 1 rm",
        "find . -exec rm {} \\;",
        "find . -name '*.py' -exec sudo cat {} +",
        "echo $(rm x)",
        "echo `rm x`",
        "cat <(rm x)",
        "X=$(rm x)",
        "f() { rm x; }; f",
        "while true; do rm x; done",
        "case x in a) rm x;; esac",
        "cat <<EOF\n$(rm x)\nEOF",
        "eval 'rm x'",
        "exec rm x",
        "$X; rm y",
        "cat .env",
        "cat ./a/../.env",
        "cat --file=.ENV",
        "echo A=1 >> .env",
        "echo x > src/locked/y",
        "tee src/locked",
    ],
}
OTHERS = [
    (change("src/a.py"), "allow"),
    (change("src/deep/a.py"), "allow"),
    (change("src/a.py", "other.py"), "ask"),
    (change("src/a.py", moved_to="other.py"), "ask"),
    (change("src/../a.py"), "ask"),
    (change("srcs/a.py"), "ask"),
    (change(), "ask"),
    (change("src/.env"), "deny"),
    (change("src/locked/a"), "deny"),
    (change("SRC/Locked"), "deny"),
    (host("example.com"), "allow"),
    (host("example.org"), "ask"),
    (host("x.evil.example"), "deny"),
    (host(None), "ask"),
    (use("look"), "allow"),
    (use("search", "docs"), "allow"),
    (use("search", "web"), "ask"),
    (use("delete_all", "docs"), "deny"),
    (use("Read", file_path=".env"), "deny"),
    (ApprovalRequest(subject="permission", item_id="c", permissions={"network": {}}), "ask"),
]
TABLE = [
    *((command(line), verdict) for verdict, lines in COMMANDS.items() for line in lines),
    *OTHERS,
]


@pytest.fixture(scope="module")
def policy() -> Policy:
    return Policy.of(RULES)


@pytest.mark.parametrize(("request_", "verdict"), TABLE)
def test_the_table(policy: Policy, tmp_path: Path, request_: ApprovalRequest, verdict: str) -> None:
    answer = policy.answer(request_, tmp_path)
    assert (answer.verdict, answer.why) == (verdict, answer.why)


def test_the_table_is_long_enough() -> None:
    assert len(TABLE) >= 80


def test_links_are_followed(policy: Policy, tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "out").symlink_to(tmp_path)
    (tmp_path / "in").symlink_to(tmp_path / "src")
    (tmp_path / ".env").touch()
    (tmp_path / "harmless").symlink_to(".env")
    asked = {"src/out/x": "ask", "in/x": "allow", "harmless": "deny"}
    found = {path: policy.answer(change(path), tmp_path).verdict for path in asked}
    assert found == asked


def test_patterns_begin_where_the_agent_works_and_files_where_the_command_does(
    policy: Policy, tmp_path: Path
) -> None:
    inner = command("echo x > a.py", cwd=str(tmp_path / "src"))
    assert policy.answer(inner, tmp_path).verdict == "allow"
    outer = command("echo x > src/a.py", cwd=str(tmp_path / "other"))
    assert policy.answer(outer, tmp_path).verdict == "ask"


EVALUATED = [
    *("for x in 'a[$(rm y)]'; do echo $((x)); done", "echo $(( 'a[$(rm y)]' ))", "echo $[x]"),
    *("for ((;x;)); do ls; done", "echo ${a['b[$(rm y)]']}", "echo ${x:y}", "echo ${!x}"),
    *("echo ${x@P}", "echo ${x:='a[$(rm y)]'}", "echo \"${x-'$(rm y)'}\"", "echo ${x/a/`rm y`}"),
    *("[[ 'a[$(rm y)]' -eq 0 ]]", "[[ -v 'a[$(rm y)]' ]]", "[ -v 'a[$(rm y)]' ]", '[ "$@" ]'),
    *("test -v 'a[$(rm y)]'", "command [ -v 'a[$(rm y)]' ]", "printf -v 'a[$(rm y)]' x"),
    *("read 'a[$(rm y)]' <<< x", "let 'a[$(rm y)]'", "unset 'a[$(rm y)]'", "declare -i x"),
    *("declare -n x", "builtin declare -i x", "wait -p 'a[$(rm y)]'", "RANDOM='a[$(rm y)]'"),
    *("PS4='$(rm y)'; set -x", "env 'BASH_FUNC_ls%%=() { rm y; }' bash -c ls", "compgen -C 'rm y'"),
    *("hash -p /bin/rm ls; ls y", "ls >&'a$(rm y)'", "ls {x}>/dev/null", "[[ a =~ ${x:=b} ]]"),
    *("cat <<E\n`rm y`\nE", "cat <<E\n$((x))\nE", "cat <<E\nE#\n`rm y`\nE", "[ ]#|rm\n"),
    "echo `echo x` `rm y`",
]
HARMLESS = [
    *("echo $((1 + 2))", "[ $? -eq 0 ] && ls", "[[ ${#x} -gt 3 ]]", '[ -n "$x" ]', "[[ -v HOME ]]"),
    *("for x in a b; do ls $x; done", "echo ${x:-y} ${x%.py} ${a[0]} ${x:0:2}", "export CI=1"),
    *("cat <<'E'\n`a` $((b))\nE", "cat <<E\nb \\`a\\` $x\nE", "printf '%s' \"$x\"", "unset X"),
    *("[[ a =~ ^b$ ]]", "ls # x", "test -f x"),
]


@pytest.mark.parametrize("line", EVALUATED)
def test_text_that_bash_runs_may_be_anything(tmp_path: Path, line: str) -> None:
    """Most of it is expanded once more, out of single quotes, as arithmetic."""
    strict = {"ask", "deny"}
    assert Policy.of([deny("rm *"), allow("*")]).answer(command(line), tmp_path).verdict in strict
    assert (
        Policy.of([deny(write="y"), allow("*")]).answer(command(line), tmp_path).verdict in strict
    )
    assert Policy.of(readonly).answer(command(line), tmp_path).verdict in strict
    named = Policy.of([allow("echo *", "ls *", "cat *", "printf *", "set *")])
    assert named.answer(command(line), tmp_path).verdict in {None, "ask"}


@pytest.mark.parametrize("line", HARMLESS)
def test_text_that_bash_does_not_run(tmp_path: Path, line: str) -> None:
    answer = Policy.of([deny("rm *"), allow("*")]).answer(command(line), tmp_path)
    assert (answer.verdict, answer.why) == ("allow", answer.why)


@pytest.mark.parametrize(
    "line",
    [
        *("for PATH in ./bin; do ls; done", "printf -v PATH %s ./bin; ls", "unset PATH; ls"),
        *("f() { local PATH; ls; }; f", 'export "PATH=./bin"; ls', "echo ${PATH:=./bin}; ls"),
        *("echo $((PATH=10)); ls", "select PATH in ./bin; do ls; done", "PATH=./bin; ls"),
    ],
)
def test_variables_are_parts_however_they_are_set(tmp_path: Path, line: str) -> None:
    assert Policy.of(readonly).answer(command(line), tmp_path).verdict == "ask"
    policy = Policy.of([deny("PATH=*"), allow("*")])
    assert policy.answer(command(line), tmp_path).verdict in {"ask", "deny"}


FOLDERS = {
    "deny": [
        "rm -rf .github",
        "rm -rf .github/",
        "rm .github/ci.yml",
        "mv .github x",
        "rm -rf .GitHub",
        "/opt/odd/rm -r .github",
        "cat secrets/key",
    ],
    "ask": [
        "rm -rf .",
        "rm -rf ../work",
        "mv . x",
        "$CMD x",
        "eval $X",
        "tar c secrets",
        "cp -r . x",
    ],
    "allow": ["cat .github/ci.yml", "cat main.py", "rm -rf src", "cd WORK && make", "ls src"],
}


@pytest.mark.parametrize(
    ("line", "verdict"), [(line, verdict) for verdict, lines in FOLDERS.items() for line in lines]
)
def test_a_folder_stands_for_all_in_it(tmp_path: Path, line: str, verdict: str) -> None:
    work = tmp_path / "work"
    for name in (".github", "secrets", "src"):
        (work / name).mkdir(parents=True)
    rules = [deny(read="**/.env", write=".github/**"), deny(read="secrets/*"), allow("*")]
    answer = Policy.of(rules).answer(command(line.replace("WORK", str(work))), work)
    assert (answer.verdict, answer.why) == (verdict, answer.why)


def test_a_pattern_for_what_is_in_a_folder_is_about_the_folder(tmp_path: Path) -> None:
    policy = Policy.of([allow(write="src/**"), deny(write="[!a-y]*/**")])
    paths = {"src": "allow", "src/a": "allow", "z": "deny", "z/a": "deny", "a/b": None}
    assert {path: policy.answer(change(path), tmp_path).verdict for path in paths} == paths


def test_why(policy: Policy, tmp_path: Path) -> None:
    answer = policy.answer(command("pytest && rm -rf x"), tmp_path)
    why = 'rule 1, deny("rm *", "git push", "sudo *"), matches \'rm -rf x\''
    assert (answer.verdict, answer.number, answer.part) == ("deny", 1, "rm -rf x")
    assert answer.why == why
    assert answer.decision(command("x")) == Decision("deny", "the policy does not permit it", why)


def test_what_cannot_be_known_is_not_allowed_by_silence(tmp_path: Path) -> None:
    policy = Policy.of([allow("git *")])
    lines = ["bash -s <<EOF\nrm x\nEOF", "bash x.sh", "env -S 'rm x'", "nohup -x rm y", "eval $X"]
    assert {policy.answer(command(line), tmp_path).verdict for line in lines} == {None}


def test_no_rule_leaves_it_to_the_permissions(tmp_path: Path) -> None:
    policy = Policy.of([allow("git status")])
    answer = policy.answer(command("make"), tmp_path)
    assert (answer.verdict, answer.why) == (None, "no rule matches 'make'")
    asked = ApprovalRequest(subject="command", item_id="c", command="make")
    covered = ApprovalRequest(subject="command", item_id="c", command="make", permitted=True)
    assert answer.decision(asked) is None
    assert answer.decision(covered) == Decision("allow")


def test_no_rule_lets_anything_out_of_a_sandbox(tmp_path: Path) -> None:
    escaping = ApprovalRequest(
        subject="command", item_id="c", command="make", permitted=True, unconfined=True
    )
    assert Policy.of([allow("make")]).answer(escaping, tmp_path).decision(escaping) is None


def test_ready_made_rules(tmp_path: Path) -> None:
    def verdicts(rules: object, *lines: str) -> list[str | None]:
        return [Policy.of(rules).answer(command(line), tmp_path).verdict for line in lines]

    assert verdicts(readonly, "cat x | wc -l", "cat x > y", "make", "ls $X") == [
        "allow",
        "deny",
        "ask",
        "allow",
    ]
    assert verdicts(no_network, "curl x", "git push", "pip install x", "git log") == [
        "deny",
        "deny",
        "deny",
        None,
    ]
    scoped = Policy.of(only("src", "tests/**"))
    paths = {"src/a": "allow", "tests/a": "allow", "a": "deny", "/etc/passwd": "deny"}
    assert {p: scoped.answer(change(p), tmp_path).verdict for p in paths} == paths


def test_a_file(tmp_path: Path) -> None:
    file = tmp_path / "policy.toml"
    file.write_text(
        '[[rules]]\nanswer = "deny"\ncommands = ["rm *"]\nreason = "no"\n'
        '[[rules]]\nanswer = "allow"\nwrite = ["src/**"]\n'
    )
    assert Policy.from_file(file) == Policy.of([deny("rm *", reason="no"), allow(write="src/**")])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rules = [", "policy FILE: Invalid value (at end of document)"),
        ("", "policy FILE: Object missing required field `rules`"),
        (
            '[[rules]]\nanswer = "no"\ncommands = ["x"]',
            "policy FILE: Invalid enum value 'no' - at `$.rules[0].answer`",
        ),
        (
            '[[rules]]\nanswer = "deny"\ncommand = ["x"]',
            "policy FILE: Object contains unknown field `command` - at `$.rules[0]`",
        ),
    ],
)
def test_a_file_that_is_no_policy(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "policy.toml"
    file.write_text(text)
    with pytest.raises(InvalidOptionError) as caught:
        Policy.from_file(file)
    assert str(caught.value).replace(str(file), "FILE") == message


@pytest.mark.parametrize(
    "rules",
    [
        [allow("*"), deny("rm *")],
        [allow("git *"), deny("git push")],
        [allow(write="src"), deny("x", write="src"), deny(write="src")],
        [ask("git"), allow("git log *")],
    ],
)
def test_a_rule_that_never_answers(rules: list[object]) -> None:
    with pytest.raises(InvalidOptionError, match=r"^policy: .* never answers, because .* before"):
        Policy.of(rules)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (7, "policy must be a list, not 7"),
        (
            [refuse("rm *")],
            "policy must be rules made by allow, ask and deny of signedin.safety.policy, not "
            "Decision(verdict='deny', reason='rm *', hint='', changed=None)",
        ),
    ],
)
def test_what_is_no_policy(given: object, message: str) -> None:
    with pytest.raises(InvalidOptionError) as caught:
        check_keywords({"policy": given})
    assert str(caught.value) == message


@pytest.mark.parametrize("make", [deny, lambda: allow(" ")])
def test_a_rule_about_nothing(make) -> None:
    with pytest.raises(InvalidOptionError, match="needs patterns that are not empty"):
        make()


@pytest.mark.parametrize("field", ["read", "write"])
def test_a_pattern_that_cannot_be_compared(tmp_path: Path, field: str) -> None:
    message = "a rule that answers 'deny' has the pattern 'src/[z-a].py': bad character range z-a"
    with pytest.raises(InvalidOptionError) as caught:
        deny(**{field: "src/[z-a].py"})
    assert str(caught.value) == message
    file = tmp_path / "policy.toml"
    file.write_text(f'[[rules]]\nanswer = "deny"\n{field} = ["src/[z-a].py"]\n')
    with pytest.raises(InvalidOptionError) as caught:
        Policy.from_file(file)
    assert str(caught.value) == f"policy {file}: {message} - at `$.rules[0]`"
