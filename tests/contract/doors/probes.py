"""What is given for each keyword and provider option, and how its effect shows.

Probes of the same turn are given together: one run shows the effects of all of them.
"""

import base64
import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from signedin import (
    Budget,
    McpServer,
    Question,
    Retry,
    RetryEvent,
    RunResult,
    SignedinError,
    WarningEvent,
    tool,
)
from signedin.loopback import (
    AskUser,
    Hang,
    ModelRequest,
    Reply,
    Rule,
    Script,
    Shell,
    ToolCall,
    WriteFile,
)
from signedin.loopback.script import Answer
from signedin.model.approvals import allow
from signedin.safety.policy import deny
from support.folders import appears, contents_below
from support.turns import of_type

SERVER = Path(__file__).parents[2] / "support" / "mcp_server.py"
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJg"
    "gg=="
)
MODELS = {
    "codex": "gpt-5.6-luna",
    "claude": "claude-sonnet-5",
    "gemini": "gemini-2.5-flash",
    "acp:opencode": "loopback/another",
    "acp:qwen": "another(openai)",
    "chatgpt": "scripted-small",
}
"""A model of each provider that is not the one it is asked for otherwise."""

FITTING = '{"related": true}'
VERDICT = json.dumps(
    {
        "findings": [],
        "overall_correctness": "patch is correct",
        "overall_explanation": "The names are fine.",
        "overall_confidence_score": 0.9,
    }
)


@dataclass
class Verdict:
    related: bool


@tool
def double(number: int) -> int:
    """Doubles a number."""
    return 2 * number


@tool
def halve(number: int) -> float:
    """Halves a number."""
    return number / 2


class Agent(NamedTuple):
    """A process that was there when the model was asked."""

    command: list[str]
    environment: list[str]


@dataclass
class Scene:
    """Where a turn is played.

    Attributes:
        provider: Who answers.
        work: The working directory of what was there before.
        inner: The working directory that is asked for.
        trusted: One with configuration of its own, which makes `sprung` if it counts.
        home: Where the agent keeps what it stores.
        address: The model's, as ChatGPT is told.
    """

    provider: str
    work: Path
    home: Path
    address: str = ""
    number: int = 0
    approved: list[object] = field(default_factory=list)
    answered: list[Question] = field(default_factory=list)

    @property
    def inner(self) -> Path:
        return self.work / "inner"

    @property
    def trusted(self) -> Path:
        return self.work / "trusted"

    @property
    def sprung(self) -> Path:
        return self.work / "sprung"

    @property
    def made(self) -> Path:
        """The file of this turn."""
        return self.inner / f"made-{self.number}.txt"

    @property
    def word(self) -> str:
        """A word that is nowhere but in this turn's prompt."""
        return f"zebrafish{self.number:04d}x"

    def approve(self, request: Any) -> object:
        self.approved.append(request)
        return allow

    def answer(self, questions: tuple[Question, ...]) -> dict[str, str]:
        self.answered.extend(questions)
        return {questions[0].id: "Blue"}


@dataclass
class Seen:
    """What there was of a turn.

    Attributes:
        scene: Where it was played.
        requests: What the model was asked.
        agents: The processes of the agent meanwhile.
        result: What came of it, if it ended well.
        error: Why it failed.
        given: What was given.
    """

    scene: Scene
    requests: Sequence[ModelRequest]
    agents: Sequence[Agent]
    result: RunResult[object] | None
    error: SignedinError | None
    given: Mapping[str, Any]

    @property
    def last(self) -> Mapping[str, Any]:
        return self.requests[-1].body

    @property
    def said(self) -> str:
        return str([request.body for request in self.requests])

    @property
    def outputs(self) -> str:
        """What its tools told the model."""
        return " ".join(out.text for request in self.requests for out in request.tool_outputs)

    @property
    def kinds(self) -> list[str]:
        return [event.kind for event in self.result.events] if self.result else []


class Probe(NamedTuple):
    """How one keyword or option is tried.

    Attributes:
        value: What is given.
        check: Fails if it has had no effect.
        acts: What the model does for it.
        turn: Which turn it is given in.
        other: Another value, for where it is refused.
        argued: Whether it is only seen that the agent is started with it.
    """

    value: Callable[[Scene], object]
    check: Callable[[Seen], object]
    acts: Callable[[Scene], Answer] | None = None
    turn: str = "main"
    other: Callable[[Scene], object] | None = None
    argued: bool = False


def _place(seen: Seen) -> str:
    """Where ChatGPT, which does not work there, notes that the conversation is of."""
    return str(seen.result and seen.result.cwd) if seen.scene.provider == "chatgpt" else ""


def effort_in(body: Mapping[str, Any]) -> object:
    """The reasoning effort a request asks for, wherever its API has it."""
    asked = {**(body.get("reasoning") or {}), **(body.get("output_config") or {})}
    return asked.get("effort", body.get("reasoning_effort"))


def _failed_with(seen: Seen, words: str) -> bool:
    return seen.error is not None and words in str(seen.error)


def _try_twice(seen: Seen) -> bool:
    return seen.result is not None and seen.result.retries == 1


def _answers(seen: Seen) -> int:
    events = of_type(seen.result.events, RetryEvent) if seen.result else []
    return sum("fit" in event.text or "JSON" in event.text for event in events)


def _stored(home: Path, word: str) -> bool:
    return any(
        word.encode() in content
        for file, content in contents_below(home)
        if file.suffix in _STORES and "shell" not in file.name
    )


_STORES = {".jsonl", ".json", ".db", ".sqlite", ".db-wal"}


def _write(scene: Scene) -> Answer:
    """Writes a file, in a way that the agent offers to every model."""
    if scene.provider == "codex":
        return Shell(f"echo made > {scene.made}")
    return WriteFile(str(scene.made), "made\n")


def _write_by_shell(scene: Scene) -> Answer:
    return Shell(f"echo made > {scene.made}")


def _is_in_sandbox(seen: Seen, path: Path, access: str) -> bool:
    words = f'"{path}" = "{access}"'
    return any(words in word for agent in seen.agents for word in agent.command)


RULES = "Rules of a trusted project: none."
"""What an agent tells the model of a project it trusts, where a test says so."""

TOY = McpServer(command=sys.executable, args=[str(SERVER)])
SHELL = "echo door:$DOORS; pwd"

KEYWORD_PROBES: dict[str, Probe] = {
    "retry": Probe(
        lambda _: Retry(1, backoff=0, jitter=0, on_timeout=True),
        _try_twice,
    ),
    "permissions": Probe(
        lambda _: "workspace-write",
        lambda seen: seen.scene.made.exists(),
        _write,
    ),
    "sandbox": Probe(
        lambda _: "workspace-write",
        lambda seen: any(
            _is_in_sandbox(seen, folder, "write") for folder in (seen.scene.work, seen.scene.inner)
        ),
        turn="confined",
    ),
    "sandbox_exclude_read": Probe(
        lambda _: [str(SERVER)],
        lambda seen: _is_in_sandbox(seen, SERVER, "deny"),
        turn="confined",
    ),
    "cwd": Probe(
        lambda scene: scene.inner,
        lambda seen: str(seen.scene.inner) in seen.outputs + seen.said + _place(seen),
    ),
    "env": Probe(
        lambda _: {"DOORS": "open", "GEMINI_CLI_CUSTOM_HEADERS": "X-Doors: open"},
        lambda seen: (
            any("DOORS=open" in agent.environment for agent in seen.agents)
            or "door:open" in seen.outputs
            # Where Gemini has its title stands over its environment.
            or seen.requests[-1].headers.get("x-doors") == "open"
        ),
        other=lambda _: {"DOORS": "other"},
    ),
    "tools": Probe(
        lambda _: [double],
        lambda seen: "84" in seen.outputs,
        lambda _: ToolCall("double", {"number": 42}),
        other=lambda _: [double, halve],
    ),
    "mcp_servers": Probe(
        lambda _: {"toy": TOY},
        lambda seen: "HI THERE" in seen.outputs,
        lambda _: ToolCall("shout", {"text": "hi there"}, namespace="mcp__toy"),
        other=lambda _: {"another": TOY},
    ),
    "on_approval": Probe(lambda scene: scene.approve, lambda seen: bool(seen.scene.approved)),
    "policy": Probe(
        lambda scene: [deny(write=str(scene.made))],
        lambda seen: (
            "deny(write=" in str(of_type(seen.result.events, WarningEvent) if seen.result else ())
        ),
        lambda scene: WriteFile(str(scene.made), "made\n"),
        turn="ruled",
    ),
    "on_question": Probe(
        lambda scene: scene.answer,
        lambda seen: bool(seen.scene.answered) and "Blue" in seen.outputs,
        lambda _: AskUser("Which color?", ["Red", "Blue"]),
    ),
    "model": Probe(
        lambda scene: MODELS[scene.provider],
        lambda seen: seen.requests[-1].model in MODELS[seen.scene.provider],
    ),
    "effort": Probe(lambda _: "high", lambda seen: effort_in(seen.last) == "high"),
    "instructions": Probe(
        lambda _: "Speak OLDNORSE.",
        lambda seen: "OLDNORSE" in str(seen.last),
        other=lambda _: "Speak LATIN.",
    ),
    "images": Probe(
        lambda scene: [scene.work / "pixel.png"],
        lambda seen: base64.b64encode(PIXEL).decode() in seen.said,
    ),
    "output": Probe(
        lambda _: Verdict,
        lambda seen: (
            seen.result is not None
            and seen.result.output in (Verdict(related=True), {"related": True})
        ),
    ),
    "output_retries": Probe(lambda _: 2, lambda seen: _answers(seen) == 2),
    "ephemeral": Probe(
        lambda _: True,
        lambda seen: seen.result is not None and not _stored(seen.scene.home, seen.scene.word),
        turn="trusting",
    ),
    "trust_project": Probe(
        lambda _: True,
        lambda seen: RULES in seen.said or appears(seen.scene.sprung),  # maybe beside the turn
        turn="trusting",
    ),
    "timeout": Probe(
        lambda _: 0.4, lambda seen: _failed_with(seen, "0.4 s (timeout)"), turn="timeout"
    ),
    "idle_timeout": Probe(
        lambda _: 0.4, lambda seen: _failed_with(seen, "0.4 s (idle_timeout)"), turn="idle"
    ),
    "budget": Probe(
        lambda _: Budget(seconds=0.4),
        lambda seen: _failed_with(seen, "'s budget of 0.40 seconds is used up"),
        turn="budget",
    ),
}

_RETRY_VALUES = {
    "max_retries": 1,
    "retry_backoff_s": 0.0,
    "retry_backoff_max_s": 0.0,
    "retry_jitter_s": 0.0,
    "retry_on_timeout": True,
}
RETRY_PROBES = {
    name: Probe(
        lambda _, value=value: value,
        _try_twice,
        turn="second",
    )
    for name, value in _RETRY_VALUES.items()
}


def _reasoning(seen: Seen) -> Mapping[str, Any]:
    return seen.last.get("reasoning") or {}


_CODEX = {
    "base_instructions": Probe(
        lambda _: "Speak BASEWORDS.", lambda seen: "BASEWORDS" in str(seen.last)
    ),
    "config": Probe(
        lambda _: {"config": {"model_verbosity": "high"}}["config"],
        lambda seen: seen.last["text"]["verbosity"] == "high",
    ),
    "service_tier": Probe(lambda _: "flex", lambda seen: seen.last["service_tier"] == "flex"),
    "summary": Probe(lambda _: "detailed", lambda seen: _reasoning(seen)["summary"] == "detailed"),
    "personality": Probe(
        lambda _: "none",  # leaves out the heading that Codex's own instructions have else
        lambda seen: "# Personality" not in seen.said,
        turn="second",
    ),
    "reasoning_effort": Probe(
        lambda _: "high", lambda seen: effort_in(seen.last) == "high", turn="second"
    ),
    "model_reasoning_effort": Probe(
        lambda _: "medium", lambda seen: effort_in(seen.last) == "medium", turn="third"
    ),
}


def _flag(name: str, value: object, *, turn: str = "main", shown: str | None = None) -> Probe:
    """An option that becomes an argument of the agent."""
    wanted = f"{name} {value if shown is None else shown}".strip()
    return Probe(
        lambda _: value,
        lambda seen: any(
            wanted in " ".join(agent.command).replace(f"{name}=", f"{name} ")
            for agent in seen.agents
        ),
        turn=turn,
        argued=True,
    )


_CLAUDE = {
    "add_dirs": Probe(
        lambda scene: [str(scene.trusted)],
        lambda seen: any(str(seen.scene.trusted) in " ".join(a.command) for a in seen.agents),
        argued=True,
    ),
    "agents": Probe(
        lambda _: {"otter": {"description": "OTTERWORDS", "prompt": "Be an otter."}},
        lambda seen: "OTTERWORDS" in seen.said,
    ),
    "allowed_tools": _flag("--allowedTools", ["WebFetch"], shown="WebFetch"),
    "betas": Probe(
        lambda _: ["context-1m-2025-08-07"],
        lambda seen: "context-1m-2025-08-07" in seen.requests[-1].headers["anthropic-beta"],
    ),
    "disallowed_tools": Probe(
        lambda _: ["NotebookEdit"], lambda seen: "NotebookEdit" not in seen.requests[-1].tools
    ),
    "fallback_model": Probe(
        lambda _: "claude-haiku-4-5",
        lambda seen: seen.requests[-1].model == "claude-haiku-4-5",
        turn="trusting",
    ),
    "max_budget_usd": _flag("--max-budget-usd", 5),
    "max_thinking_tokens": _flag("--max-thinking-tokens", 2048),
    "max_turns": _flag("--max-turns", 50),
    "permission_mode": _flag("--permission-mode", "plan", turn="second"),
    "reasoning_effort": Probe(
        lambda _: "high", lambda seen: effort_in(seen.last) == "high", turn="second"
    ),
    "setting_sources": _flag("--setting-sources", ["user"], shown="user", turn="second"),
    "settings": _flag("--settings", '{"env": {"DOORS_SETTING": "set"}}'),
    "system_prompt": Probe(
        lambda _: "Speak GIRAFFE.", lambda seen: "GIRAFFE" in seen.said, turn="second"
    ),
    "tools": Probe(
        lambda _: ["Read"], lambda seen: "Bash" not in seen.requests[-1].tools, turn="second"
    ),
}

_GEMINI = {
    "approval_mode": Probe(
        lambda _: "auto_edit", lambda seen: seen.scene.made.exists(), _write, "trusted editing"
    ),
    "extra_argv": _flag("--debug", ["--debug"], shown="", turn="second"),
    "include_directories": Probe(
        lambda scene: [str(scene.trusted)],
        lambda seen: any(str(seen.scene.trusted) in agent.command for agent in seen.agents),
        turn="second",
        argued=True,
    ),
    "sandbox": Probe(lambda _: True, lambda seen: seen.scene.sprung.exists(), turn="boxed"),
    "yolo": Probe(
        lambda _: True, lambda seen: seen.scene.made.exists(), _write_by_shell, "trusted acting"
    ),
}

_ACP = {
    "mode": Probe(
        lambda _: "plan",
        lambda seen: re.search("plan mode (is )?active", seen.said.lower()),
        turn="second",
    ),
    "config": Probe(
        lambda scene: {"model": MODELS[scene.provider]},
        lambda seen: seen.requests[-1].model == "another",
        turn="second",
    ),
    "writable": Probe(
        lambda scene: [str(scene.work / "of-the-agent")],
        lambda seen: _is_in_sandbox(seen, seen.scene.work / "of-the-agent", "write"),
        turn="confined",
    ),
}

_CHATGPT = {
    "access": Probe(
        lambda _: "another-token",
        lambda seen: seen.requests[-1].credential_is("another-token"),
        turn="second",
    ),
    "base_url": Probe(
        lambda scene: f"{scene.address}/moved",
        lambda seen: "/moved/" in seen.requests[-1].path,
        turn="moved",
    ),
    "client_version": Probe(
        lambda scene: f"9.9.{scene.number}",  # each list of models is asked for once
        lambda seen: any(
            f"client_version=9.9.{seen.scene.number}" in request.path for request in seen.requests
        ),
        turn="versioned",
    ),
    "max_requests": Probe(
        lambda _: 1,
        lambda seen: "was asked 1 times" in str(seen.error),
        lambda _: ToolCall("double", {"number": 1}),
        turn="limited",
    ),
    "parallel_tool_calls": Probe(
        lambda _: False, lambda seen: seen.last["parallel_tool_calls"] is False
    ),
    "prompt_cache_key": Probe(
        lambda _: "the-key", lambda seen: seen.last["prompt_cache_key"] == "the-key"
    ),
    "reasoning_summary": Probe(
        lambda _: "detailed", lambda seen: _reasoning(seen)["summary"] == "detailed"
    ),
    "request_max_retries": Probe(
        lambda _: 2,
        lambda seen: seen.error is None and len(seen.requests) > 1,
        turn="again",
    ),
    "service_tier": Probe(
        lambda _: "priority", lambda seen: seen.last["service_tier"] == "priority"
    ),
    "sessions": Probe(
        lambda scene: str(scene.work / "store"),
        lambda seen: _stored(seen.scene.work / "store", seen.scene.word),
        turn="stored",
    ),
    # Of the first request only: a model that must call a tool every time cannot answer.
    "tool_choice": Probe(
        lambda _: "required", lambda seen: seen.requests[0].body["tool_choice"] == "required"
    ),
    "verbosity": Probe(lambda _: "low", lambda seen: seen.last["text"]["verbosity"] == "low"),
    "web_search": Probe(lambda _: True, lambda seen: "web_search" in str(seen.last["tools"])),
    "profile": Probe(lambda _: "siwc", lambda _: False),
    "allowed_accounts": Probe(lambda _: ["acct-1"], lambda _: False),
    "on_auth_refresh": Probe(lambda _: print, lambda _: False, other=lambda _: "print"),
}

OPTION_PROBES: dict[str, dict[str, Probe]] = {
    "codex-app-server": _CODEX,
    "claude-cli": _CLAUDE,
    "gemini-acp": _GEMINI,
    "acp:opencode": _ACP,
    "acp:qwen": _ACP,
    "chatgpt-responses": _CHATGPT,
}


def probes_of(way_name: str) -> dict[str, Probe]:
    """All probes of a way, those of provider options under their names."""
    options = {**RETRY_PROBES, **OPTION_PROBES.get(way_name, {})}
    return {**KEYWORD_PROBES, **{f".{name}": probe for name, probe in options.items()}}


def script_of(scene: Scene, door: str, turn: str, acts: Sequence[Probe], named: set[str]) -> Script:
    """What the model does in a turn, given the names of what is tried in it."""
    if turn in {"timeout", "idle", "budget"}:
        return Script([Reply("one two three", ending=Hang(after=1))])
    ending: Answer = "Done."
    rules = [Rule(["OTTER SPEAKS"], contains="OTTERPROMPT")]
    if door == "review":
        ending = VERDICT
    elif "output_retries" in named:
        ending = "I would say so."
        rules += [
            Rule(['{"related": "perhaps"}'], contains="is not JSON"),
            Rule([FITTING], contains="does not fit"),
        ]
    elif "output" in named:
        ending = FITTING
    actions = [probe.acts(scene) for probe in acts if probe.acts]
    if door == "compact":
        return Script(["A summary."])
    if turn == "main" and named & {"env", "cwd"}:
        actions.insert(0, Shell(SHELL))
    return Script([*actions, ending], rules)
