"""No command with a denied part is allowed, however it is wrapped."""

import shlex
from pathlib import Path

from hypothesis import example, given, settings, strategies as st

from signedin import ApprovalRequest
from signedin.safety.policy import Policy, allow, ask, deny

ROOT = Path("/nowhere")
POLICIES = [
    Policy.of([deny("rm *"), allow("*")]),
    Policy.of([deny("rm"), allow("git *", "echo *", "bash *", "sudo *", "find *"), ask("*")]),
    Policy.of([allow("git *", "echo *", "cat *", "true", "X=*"), deny("*")]),
]

DENIED = st.sampled_from(
    [
        *(
            "rm -rf x",
            "rm",
            "r''m x",
            "\\rm x",
            '"rm" x',
            "'r'm x",
            'r"m" x',
            "/bin/rm x",
            "../rm x",
        ),
        *("RM x", "X=1 rm x", "rm x >y", ">y rm x", "rm\tx", "{ rm x; }", "~/bin/rm x"),
        *("r\\m x", "$'rm' x", '$"rm" x', "r${E}m x", "${R:-rm} x", "{rm,x}", "/bin/r[m] x"),
    ]
)
OTHER = st.sampled_from(["git status", "echo hi", "true", "cat x | cat", "X=1", "[[ -f x ]]"])
AROUND = st.sampled_from(
    [
        *(
            "({})",
            "(({}))",
            "{{ {}; }}",
            "! {}",
            "$({})",
            "echo $({})",
            'echo "$({})"',
            "echo `{}`",
            "X=$({})",
        ),
        *("cat <({})", "cat <<E\n$({})\nE", "if {}; then true; fi", "if true; then {}; fi"),
        *("if true; then true; else {}; fi", "while {}; do break; done", "for x in a; do {}; done"),
        *(
            "until {}; do true; done",
            "case x in x) {};; esac",
            "f() {{ {}; }}; f",
            "echo ${{X:-$({})}}",
        ),
        *(
            "function f {{ {}; }}",
            "select x in a; do {}; done",
            "echo $(( $({}) ))",
            "[[ -f $({}) ]]",
        ),
        *(
            "echo $(( 'a[$({})]' ))",
            "[[ 'a[$({})]' -eq 0 ]]",
            "[ -v 'a[$({})]' ]",
            "x='a[$({})]'; echo $[x]",
        ),
        *(
            "printf -v 'a[$({})]' x",
            "cat <<E\n`{}`\nE",
            "echo \"${{x-'$({})'}}\"",
            "RANDOM='a[$({})]'",
        ),
        *("a[$({})]=1", "export X=$({})", "time {}", "{} &", "{} # x", "cat <<< $({})", "{} 2>&1"),
    ]
)
JOINED = st.sampled_from(["{0}; {1}", "{0} && {1}", "{0} || {1}", "{0} | {1}", "{0} & {1}"])
LINES = st.sampled_from(["{0}\n{1}", "{0} |& {1}", "{1}\n{0}", "{1}; {0}", "{1} | {0}"])
STARTED = st.sampled_from(
    [
        *("env {}", "env X=1 {}", "env -i -u A {}", "sudo {}", "sudo -n -u root X=1 {}", "doas {}"),
        *("nohup {}", "nice -n 5 {}", "timeout -k 1 5 {}", "xargs {}", "xargs -0n 1 {}", "exec {}"),
        *(
            "command {}",
            "builtin {}",
            "stdbuf -oL {}",
            "setsid {}",
            "time -p {}",
            "find . -exec {} +",
        ),
        *("find . -exec {} \\;", "coproc {}", "watch {}", "flock f {}", "strace {}", "busybox {}"),
        *("command env nohup {}", "/usr/bin/env {}", "env --unset X {}", "sudo --user root {}"),
    ]
)
QUOTED = st.sampled_from(
    [
        *("bash -c {}", "sh -c {}", "/bin/bash -lc {}", "eval {}", "zsh -ec {}", "sudo sh -c {}"),
        *("bash -o pipefail -c {}", "bash --norc -c {}", "env -S {}", "find . -exec sh -c {} \\;"),
        *(
            "trap {} EXIT",
            "su -c {}",
            "bash <<< {}",
            "echo {} | sh",
            "xargs -I% sh -c {}",
            "ssh h {}",
        ),
    ]
)


def simple(line: str) -> bool:
    """Whether a program can be given the words of a command, as no shell reads them again."""
    return not line.startswith(("{ ", "(", "!", ">", "X=")) and not {*";&|\n#<>`("} & {*line}


def _grown(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.builds(lambda around, line: around.format(line), AROUND, inner),
        st.builds(lambda join, line, other: join.format(line, other), JOINED | LINES, inner, OTHER),
        st.builds(lambda way, line: way.format(line), STARTED, inner.filter(simple)),
        st.builds(lambda way, line: way.format(shlex.quote(line)), QUOTED, inner),
    )


WRAPPED = st.recursive(DENIED, _grown, max_leaves=4)


@settings(max_examples=400, deadline=None)
@given(WRAPPED)
@example("((rm))")  # a command where sh is dash
@example("(({rm,x}))")
def test_a_denied_part_is_never_allowed(line: str) -> None:
    request = ApprovalRequest(subject="command", item_id="c", command=line)
    for policy in POLICIES:
        assert policy.answer(request, ROOT).verdict in {"ask", "deny"}


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=40) | st.text("rm$(){}'\"\\`;&|<>\n \tX=#!-*[]~E", max_size=30))
def test_any_text_gets_an_answer(line: str) -> None:
    request = ApprovalRequest(subject="command", item_id="c", command=line)
    for policy in POLICIES:
        assert policy.answer(request, ROOT).verdict in {"allow", "ask", "deny", None}
