"""Goes through every door with what is asked for, and sees what comes of it."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import msgspec

from contract.doors.declared import Way
from contract.doors.probes import PIXEL, Agent, Scene, Seen
from contract.doors.trusting import configure
from signedin import (
    Budget,
    Client,
    InvalidOptionError,
    Retry,
    RunResult,
    SessionBusyError,
    SignedinError,
    UnsupportedOptionError,
)
from signedin.cli.documents import RunDocument
from signedin.cli.loopback import run_arguments
from signedin.loopback import Cut, HttpError, ModelRequest, Script, Text
from signedin.loopback.script import Refusal, Reply
from signedin.providers.codex.options import to_toml
from support.folders import outside_of_sandboxes
from support.processes import command_of, environment_of, processes_with
from support.program import environment, run_program
from support.rows import Row
from support.stage import Stage

ECHO = Text.echo("You said: {prompt}")

_FULL = "The model is overloaded."
_REFUSALS: Mapping[str, Sequence[Reply | Refusal]] = {
    "acp:opencode": [HttpError(503, _FULL, headers={"retry-after-ms": "1"})] * 6,  # as it tries
    "acp:qwen": [Reply("one two three", ending=Cut(after=1))],  # others it tries for minutes
}
"""What agents give up at and tell at once, where it is not the first refusal."""
IMPATIENCE = {"claude": {"CLAUDE_CODE_MAX_RETRIES": "0"}}


Refused = Callable[[Mapping[str, Any]], str | None]
"""Returns with what words something is refused, ``None`` if it is taken."""


class WatchingStage(Stage):
    """A stage that looks which processes there are when the model is asked."""

    marker = ""

    def __init__(self, provider: str) -> None:
        super().__init__(provider)
        self.agents: list[Agent] = []
        self.refusals: list[Reply | Refusal] = []

    @property
    def options(self) -> dict[str, dict[str, Any]]:
        """Keywords for a client of this model, for whose agent there is another to choose."""
        options = super().options
        add = _OTHER_MODELS.get(self.provider)
        if add is not None:
            add(options["env"])
        return options

    def _choose(self, request: ModelRequest) -> Reply | Refusal:
        if self.refusals:
            return self.refusals.pop(0)
        if self.marker:
            self.agents += [
                Agent(command_of(pid), environment_of(pid)) for pid in processes_with(self.marker)
            ]
        return super()._choose(request)


class Doors:
    """All doors of a row.

    Args:
        row: The row.
        way: What is declared of it.
        stage: The model.
        work: The folder to work in.
    """

    def __init__(self, row: Row, way: Way, stage: WatchingStage, work: Path) -> None:
        self.row = row
        self.way = way
        self.stage = stage
        self.home = _home(row.provider, stage)
        self.scene = Scene(row.provider, work, self.home)
        if row.provider == "chatgpt":
            self.scene.address = str(stage.options["provider_options"]["base_url"])
        else:
            stage.marker = str(self.home)
        self.path = f"{work / 'bin'}:{os.environ['PATH']}"
        self.client = self.new_client()

    @classmethod
    @contextmanager
    def of(cls, row: Row, way: Way) -> Iterator["Doors"]:
        """Opens and closes them."""
        with WatchingStage(row.provider) as stage, outside_of_sandboxes() as work:
            (work / "inner").mkdir()
            (work / "pixel.png").write_bytes(PIXEL)
            doors = cls(row, way, stage, work)
            configure(doors.scene, stage)
            with doors.client:
                yield doors

    def go_through(
        self,
        door: str,
        give: Callable[[Scene], Mapping[str, Any]],
        script: Callable[[Scene], Script],
        fixed: Mapping[str, Any],
        *,
        fails_once: bool,
    ) -> Seen:
        """Plays a script for one turn.

        Args:
            door: Where.
            give: Says the keywords of the turn.
            script: What the model does.
            fixed: Keywords that the conversation begins with, where it has begun before.
            fails_once: Whether the model refuses its first request.
        """
        scene = self.scene
        scene.number += 1
        result, error = None, None
        with ExitStack() as stack:
            given = give(scene)
            turn = _ways_in(self, stack, fixed)[door]()
            scene.approved.clear()
            scene.answered.clear()
            scene.sprung.unlink(missing_ok=True)
            self.stage.play(script(scene))
            self.stage.agents.clear()
            refusals = _REFUSALS.get(self.row.provider, [HttpError(503, _FULL)])
            self.stage.refusals = [*refusals] if fails_once else []
            try:
                result = turn(dict(given))
            except SignedinError as raised:
                error = raised
            finally:
                self.stage.refusals = []  # where it failed without asking the model
        return Seen(scene, self.stage.requests, list(self.stage.agents), result, error, given)

    @contextmanager
    def refusals_at(self, door: str, fixed: Mapping[str, Any]) -> Iterator[Refused]:
        """Goes to a door once, to try there what it refuses."""
        with ExitStack() as stack:
            turn = _ways_in(self, stack, fixed)[door]()

            def refused(given: Mapping[str, Any]) -> str | None:
                self.stage.play("Done.")
                try:
                    turn(dict(given))
                except (InvalidOptionError, SessionBusyError, UnsupportedOptionError) as error:
                    return str(error)
                return None

            yield refused

    def refused_at_the_command_line(self, given: Mapping[str, Any], words: list[str]) -> str | None:
        """Returns what ``signedin run`` says to an option it does not take."""
        done = self._program(given, words)
        return done.stderr + done.stdout if done.returncode == _USAGE else None

    def begun(self, fixed: Mapping[str, Any], client: Client | None = None) -> str:
        """A conversation that is stored and that nobody has open."""
        self.stage.play(ECHO)
        result = (client or self.client).run("begin", **fixed)
        assert result.session_id
        return result.session_id

    def go_on(self, door: str, session_id: str, *, fork: bool) -> RunResult[object]:
        """Goes on with a conversation, or in a copy of it."""
        self.scene.number += 1
        word = self.scene.word
        self.stage.play(ECHO)
        if door == "stream":
            return self.client.stream(word, resume=session_id).result()
        if door == "first":
            with self.client.session(resume=session_id, fork=fork) as session:
                return session.run(word)
        words = ["--resume", session_id, *(["--fork"] if fork else [])]
        return self._written(self._program({}, words))

    def new_client(self) -> Client:
        """Makes a client with processes of its own."""
        keywords: dict[str, Any] = {"cwd": self.scene.work}
        if self.row.binary:
            keywords["binary"] = self.row.binary
        if self.row.provider != "chatgpt":
            keywords["env"] = {**IMPATIENCE.get(self.row.provider, {}), "PATH": self.path}
        return self.stage.client(self.row.transport, **keywords)

    def command_line(self, given: Mapping[str, Any]) -> RunResult[object]:
        """Runs ``signedin run``."""
        return self._written(self._program(given))

    def _written(self, done: subprocess.CompletedProcess[str]) -> RunResult[object]:
        if done.returncode:
            raise SignedinError(done.stdout + done.stderr)
        return msgspec.json.decode(done.stdout, type=RunDocument)  # type: ignore[return-value]

    def _program(
        self, given: Mapping[str, Any], more: Sequence[str] = ()
    ) -> subprocess.CompletedProcess[str]:
        options = self.stage.options
        if self.row.provider != "chatgpt":
            options["env"] |= {**IMPATIENCE.get(self.row.provider, {}), "PATH": self.path}
        options["provider_options"] = _merged(
            options["provider_options"], given.get("provider_options", {})
        )
        if "model" in given:
            options.pop("model", None)
        words = run_arguments(self.row.provider, options)[1:]
        words += ["--transport", self.row.transport, "--json", "--no-stream"]
        words += [*_flags(given, self.scene.work), *more]
        named = {}
        if self.row.binary:
            agent = self.row.agent.upper().replace("-", "_")
            named = {f"SIGNEDIN_{agent}_BINARY": str(self.row.binary)}
        return run_program(*words, self.scene.word, cwd=self.scene.work, env=environment(**named))


_USAGE = 2
Turn = Callable[[dict[str, Any]], Any]


def _ways_in(
    doors: Doors, stack: ExitStack, fixed: Mapping[str, Any]
) -> dict[str, Callable[[], Turn]]:
    """Prepares for a turn at each door, and returns what plays it."""
    client, word = doors.client, doors.scene.word

    def open_session() -> Any:
        session = stack.enter_context(client.session(**fixed))
        doors.stage.play(ECHO)
        session.run("begin")
        return session

    def first() -> Turn:
        session = client.session()
        stack.callback(session.close)
        return lambda given: session.run(word, **given)

    def later() -> Turn:
        session = open_session()
        return lambda given: session.run(word, **given)

    def resume() -> Turn:
        session_id = doors.begun(fixed)
        return lambda given: client.run(word, resume=session_id, **given)

    def shared() -> Turn:
        session = open_session()
        return lambda given: client.run(word, resume=session.id, **{**fixed, **given})

    def elsewhere() -> Turn:
        other = stack.enter_context(doors.new_client())
        session = stack.enter_context(other.session(**fixed))
        doors.stage.play(ECHO)
        session.run("begin")
        return lambda given: client.run(word, resume=session.id, **given)

    def fork() -> Turn:
        session_id = doors.begun(fixed)

        def turn(given: dict[str, Any]) -> Any:
            output = {"output": given.pop("output")} if "output" in given else {}
            with client.session(resume=session_id, fork=True, **given) as session:
                return session.run(word, **output)

        return turn

    def review() -> Turn:
        session = open_session()
        return lambda given: session.review(f"Look at {word}", **given).result()

    def compact() -> Turn:
        session = open_session()
        session.run("go on")
        return lambda given: session.compact(**given).result()

    def many(given: dict[str, Any]) -> Any:
        [outcome] = client.map([word], **given)
        if outcome.error is not None:
            raise outcome.error
        return outcome.result

    return {
        "run": lambda: lambda given: client.run(word, **given),
        "stream": lambda: lambda given: client.stream(word, **given).result(),
        "first": first,
        "later": later,
        "resume": resume,
        "shared": shared,
        "elsewhere": elsewhere,
        "fork": fork,
        "review": review,
        "compact": compact,
        "map": lambda: many,
        "cli": lambda: doors.command_line,
    }


def _opencode_model(env: dict[str, Any]) -> None:
    config = json.loads(env["OPENCODE_CONFIG_CONTENT"])
    models = config["provider"]["loopback"]["models"]
    models["another"] = {**models["scripted"], "name": "another"}
    env["OPENCODE_CONFIG_CONTENT"] = json.dumps(config)


def _qwen_model(env: dict[str, Any]) -> None:
    file = Path(env["HOME"], ".qwen", "settings.json")
    another = {
        "id": "another",
        "name": "another",
        "baseUrl": env["OPENAI_BASE_URL"],
        "envKey": "OPENAI_API_KEY",
        "generationConfig": {"modalities": {"image": True}, "maxRetries": 0},
    }
    settings = json.loads(file.read_text())
    file.write_text(json.dumps({**settings, "modelProviders": {"openai": [another]}}))


_OTHER_MODELS = {"acp:opencode": _opencode_model, "acp:qwen": _qwen_model}


def _home(provider: str, stage: Stage) -> Path:
    options = stage.options
    names = ("CODEX_HOME", "CLAUDE_CONFIG_DIR", "GEMINI_CLI_HOME", "HOME")
    named = next((options["env"][name] for name in names if name in options["env"]), None)
    return Path(str(named or options["provider_options"]["sessions"]))


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = {**below, **above}
    for name in below.keys() & above.keys():
        if isinstance(below[name], Mapping):
            merged[name] = {**below[name], **above[name]}
    return merged


def _flags(given: Mapping[str, Any], folder: Path) -> list[str]:
    words: list[str] = []
    for name, value in given.items():
        match name, value:
            case "env", _:
                words += [word for key in value for word in ("--env", f"{key}={value[key]}")]
            case "images", _:
                words += [word for image in value for word in ("--image", str(image))]
            case "sandbox_exclude_read", _:
                words += [word for path in value for word in ("--sandbox-exclude-read", path)]
            case "mcp_servers", _:
                file = folder / "servers.json"
                servers = {
                    key: {"command": each.command, "args": list(each.args), "trusted": True}
                    for key, each in value.items()
                }
                file.write_text(json.dumps(servers))
                words += ["--mcp-server", str(file)]
            case "policy", _:
                file = folder / "policy.toml"
                rules = [{"answer": rule.answer, "write": list(rule.write)} for rule in value]
                file.write_text(f"rules = [{', '.join(map(to_toml, rules))}]")
                words += ["--policy", str(file)]
            case "output", _:
                file = folder / "schema.json"
                file.write_text(
                    json.dumps(
                        {
                            "type": "object",
                            "properties": {"related": {"type": "boolean"}},
                            "required": ["related"],
                        }
                    )
                )
                words += ["--output-schema", str(file)]
            case "provider_options", _:
                pass
            case _, Budget():
                words += ["--budget-seconds", str(value.seconds)]
            case _, Retry():
                words += ["--retry", str(value.max_retries)]
            case _, True:
                words += [f"--{name.replace('_', '-')}"]
            case _:
                words += [f"--{name.replace('_', '-')}", str(value)]
    return words
