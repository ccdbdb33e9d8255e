"""Claude Code: a whole process, one more prompt on a warm one, and a long answer."""

from collections.abc import Generator, Sequence
from contextlib import AbstractContextManager, contextmanager

from benchmarks.answers import SHORT_ANSWER, SHORT_PROMPT, long_answer, long_prompt
from benchmarks.contestants import Program
from benchmarks.measurements.base import Aim, Measurement, Work, workers
from benchmarks.sampling import Contestant
from benchmarks.stage import PROGRAMS, Stage

DELTAS = 20_000
BARE = "claude -p"
RAW_TURN = "bare process, same conversation"
RAW_NEW = "bare process, /clear and prompt"
RAW_STREAM = "raw readline + json.loads"

_WARM = (
    Work(RAW_TURN, "with_claude.py", "turn"),
    Work("signedin, session.run", "with_signedin.py", "turn"),
    Work("claude_agent_sdk, ClaudeSDKClient", "with_claude_sdk.py", "turn"),
    Work(RAW_NEW, "with_claude.py", "turn-again"),
    Work("signedin, client.run", "with_signedin.py", "run-again"),
    Work("signedin, client.run after a pause", "with_signedin.py", "run"),
)
_STREAMS = (
    Work(RAW_STREAM, "with_claude.py", "stream"),
    Work("signedin, for event in …", "with_signedin.py", "stream"),
    Work("signedin, async for …", "with_signedin.py", "stream-async"),
    Work("claude_agent_sdk, ClaudeSDKClient", "with_claude_sdk.py", "stream"),
)


@contextmanager
def _open_cold(stage: Stage) -> Generator[Sequence[Contestant], None, None]:
    def program(name: str, *command: object, given: str = "") -> Program:
        return Program(
            name,
            [str(part) for part in command],
            env=stage.environment(f"claude-cold-{name.replace(' ', '-')}", "claude"),
            cwd=stage.cwd,
            expected=SHORT_ANSWER,
            given=given,
        )

    sdk = PROGRAMS / "cold_claude_sdk.py"
    yield [
        program(BARE, stage.agents["claude"], "-p", given=SHORT_PROMPT),
        program("signedin", stage.ours, PROGRAMS / "cold_signedin.py", "claude", SHORT_PROMPT),
        program("oauthpy", stage.peers, PROGRAMS / "cold_oauthpy.py", "claude", SHORT_PROMPT),
        program("claude_agent_sdk", stage.peers, sdk, SHORT_PROMPT),
        program("agentabi", stage.peers, PROGRAMS / "cold_agentabi.py", SHORT_PROMPT),
    ]


def _open_warm(stage: Stage) -> AbstractContextManager[Sequence[Contestant]]:
    return workers(stage, _WARM, prompt=SHORT_PROMPT, expected=SHORT_ANSWER, provider="claude")


def _open_streams(stage: Stage) -> AbstractContextManager[Sequence[Contestant]]:
    return workers(
        stage,
        _STREAMS,
        prompt=long_prompt(DELTAS),
        expected=long_answer(DELTAS),
        provider="claude",
    )


COLD = Measurement(
    name="claude-cold",
    title="Claude Code, one prompt as a whole process",
    open=_open_cold,
    rounds=9,
    quick_rounds=3,
    aims=(
        Aim("wall", "signedin", 1.25, BARE),
        Aim("wall", "signedin", 0.333, "oauthpy"),
    ),
    provider="claude",
)
WARM = Measurement(
    name="claude-warm",
    title="Claude Code, a short turn on a warm process",
    open=_open_warm,
    rounds=30,
    quick_rounds=5,
    warmups=3,
    aims=(
        Aim("wall", "signedin, session.run", 1.15, RAW_TURN),
        Aim("wall", "signedin, client.run", 1.15, RAW_NEW),
        Aim("wall", "signedin, client.run", 0.06),
    ),
    provider="claude",
)
STREAM = Measurement(
    name="claude-deltas",
    title=f"Claude Code, an answer of {DELTAS:,} deltas",
    open=_open_streams,
    rounds=7,
    quick_rounds=2,
    aims=(
        Aim("cpu", "signedin, for event in …", 1.0, RAW_STREAM),
        Aim("cpu", "signedin, async for …", 1.0, RAW_STREAM),
    ),
    provider="claude",
)
