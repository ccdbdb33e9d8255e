"""One prompt as a whole process, from the start of the interpreter to its exit."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.answers import SHORT_ANSWER, SHORT_PROMPT
from benchmarks.contestants import Program
from benchmarks.measurements.base import Aim, Measurement
from benchmarks.sampling import Contestant
from benchmarks.stage import PROGRAMS, Stage


@contextmanager
def _open(stage: Stage) -> Generator[Sequence[Contestant], None, None]:
    def program(name: str, *command: str | Path) -> Program:
        return Program(
            name,
            [*command, SHORT_PROMPT],
            env=stage.environment(f"cold-{name.replace(', ', '-').replace(' ', '-')}"),
            cwd=stage.cwd,
            expected=SHORT_ANSWER,
        )

    yield [
        program("codex exec", stage.agents["codex"], "exec", "--skip-git-repo-check"),
        program("signedin", stage.ours, PROGRAMS / "cold_signedin.py", "codex"),
        program(
            "signedin, codex-exec", stage.ours, PROGRAMS / "cold_signedin.py", "codex", "codex-exec"
        ),
        program("oauthpy", stage.peers, PROGRAMS / "cold_oauthpy.py", "codex"),
        program("openai_codex", stage.peers, PROGRAMS / "cold_openai_codex.py"),
    ]


MEASUREMENT = Measurement(
    name="cold-run",
    title="One prompt as a whole process",
    open=_open,
    rounds=15,
    quick_rounds=3,
    aims=(
        Aim("wall", "signedin", 0.9, "oauthpy"),
        Aim("wall", "signedin", 2.0, "codex exec"),
    ),
)
