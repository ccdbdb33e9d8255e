"""What a policy allows is what bash does: random lines, read by both."""

import random
import subprocess
from pathlib import Path

from signedin import ApprovalRequest
from signedin.safety.policy import Policy, allow, deny

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
    *("<<E\n", "\nE"),
]
LINES = 600


def test_no_line_that_is_allowed_runs_what_is_denied(tmp_path: Path) -> None:
    programs, folder = tmp_path / "bin", tmp_path / "work"
    programs.mkdir()
    folder.mkdir()
    ran = tmp_path / "ran"
    (programs / "rm").write_text(f"#!/bin/bash\n: > '{ran}'\n")
    (programs / "rm").chmod(0o755)
    for name in ("bash", "env"):
        (programs / name).symlink_to(f"/usr/bin/{name}")
    policy = Policy.of([deny("rm *"), allow("*")])
    source = random.Random(14)
    allowed = 0
    while allowed < LINES:
        line = "".join(source.choices(PIECES, k=source.randint(2, 14)))
        request = ApprovalRequest(subject="command", item_id="c", command=line)
        if "rm" not in line or policy.answer(request, folder).verdict != "allow":
            continue
        allowed += 1
        subprocess.run(
            ["/bin/bash", "-c", line],
            cwd=folder,
            env={"PATH": str(programs)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=20,
        )
        assert not ran.exists(), line
