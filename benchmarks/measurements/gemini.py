"""Gemini CLI: one prompt as a whole process, and one more on a warm one."""

from collections.abc import Generator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager

from benchmarks.answers import SHORT_ANSWER, SHORT_PROMPT
from benchmarks.contestants import Program
from benchmarks.measurements.base import Aim, Measurement, Work, workers
from benchmarks.sampling import Contestant
from benchmarks.stage import PROGRAMS, Stage

RAW_TURN = "bare ACP, same session"
RAW_NEW = "bare ACP, new session"
BY_OAUTHPY = "\n".join(f"{word} " for word in SHORT_ANSWER.split()).rstrip()
"""It puts each delta on a line of its own."""

_WARM = (
    Work(RAW_TURN, "with_gemini.py", "turn"),
    Work("signedin, session.run", "with_signedin.py", "turn"),
    Work(RAW_NEW, "with_gemini.py", "new-session"),
    Work("signedin, client.run", "with_signedin.py", "run"),
)


@contextmanager
def _open_cold(stage: Stage) -> Generator[Sequence[Contestant], None, None]:
    def program(
        name: str,
        *command: object,
        given: str = "",
        env: Mapping[str, str] | None = None,
        expected: str = SHORT_ANSWER,
    ) -> Program:
        home = f"gemini-cold-{name.replace(', ', '-').replace(' ', '-')}"
        return Program(
            name,
            [str(part) for part in command],
            env={**stage.environment(home, "gemini"), **(env or {})},
            cwd=stage.cwd,
            expected=expected,
            given=given,
        )

    gemini, ours = stage.agents["gemini"], PROGRAMS / "cold_signedin.py"
    one_process = {"GEMINI_CLI_NO_RELAUNCH": "true"}
    yield [
        program("gemini", gemini, given=SHORT_PROMPT),
        program("gemini, one process", gemini, given=SHORT_PROMPT, env=one_process),
        program("signedin", stage.ours, ours, "gemini", SHORT_PROMPT),
        program("signedin, gemini-cli", stage.ours, ours, "gemini", "gemini-cli", SHORT_PROMPT),
        program(
            "oauthpy",
            stage.peers,
            PROGRAMS / "cold_oauthpy.py",
            "gemini",
            SHORT_PROMPT,
            expected=BY_OAUTHPY,
        ),
    ]


def _open_warm(stage: Stage) -> AbstractContextManager[Sequence[Contestant]]:
    return workers(stage, _WARM, prompt=SHORT_PROMPT, expected=SHORT_ANSWER, provider="gemini")


COLD = Measurement(
    name="gemini-cold",
    title="Gemini CLI, one prompt as a whole process",
    open=_open_cold,
    rounds=7,
    quick_rounds=2,
    aims=(Aim("wall", "signedin", 0.75, "oauthpy"),),
    provider="gemini",
)
WARM = Measurement(
    name="gemini-warm",
    title="Gemini CLI, a short turn on a warm process",
    open=_open_warm,
    rounds=30,
    quick_rounds=5,
    warmups=3,
    aims=(
        Aim("wall", "signedin, session.run", 1.15, RAW_TURN),
        Aim("wall", "signedin, client.run", 1.15, RAW_NEW),
        Aim("wall", "signedin, session.run", 0.04),
        Aim("wall", "signedin, client.run", 0.04),
    ),
    provider="gemini",
)
