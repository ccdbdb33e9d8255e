"""Model and effort: the caller's, else what the user has set for the agent, else our default."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from signedin import Client, SessionEvent
from signedin.loopback import LoopbackModel
from support.rows import row_of


class Agent:
    """An agent whose user may have set something."""

    def __init__(self, kind: str, model: LoopbackModel, work: Path) -> None:
        self.row = row_of(kind)
        self.model = model
        self.options: dict[str, Any] = {**model.client_options(self.row.provider)}
        self.options |= {"transport": self.row.transport, "binary": self.row.binary, "cwd": work}

    def user_sets(self, effort: str) -> None:
        if self.row.provider == "codex":
            home = Path(self.options["env"]["CODEX_HOME"])
            (home / "config.toml").write_text(f'model_reasoning_effort = "{effort}"\n')
        else:
            home = Path(self.options["env"]["CLAUDE_CONFIG_DIR"])
            (home / "settings.json").write_text(json.dumps({"effortLevel": effort}))

    def sent(self) -> str | None:
        """The effort that the model was asked with last."""
        body = self.model.requests[-1].body
        found = body.get("reasoning") or body.get("output_config") or {}
        return dict(found).get("effort")

    def said(self, events: tuple[object, ...]) -> str | None:
        [session] = [event for event in events if isinstance(event, SessionEvent)]
        assert session.model
        return session.effort


@pytest.fixture(params=["codex-app-server", "claude-cli"])
def agent(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Agent]:
    with LoopbackModel("Certainly.") as model:
        yield Agent(request.param, model, tmp_path)


def test_our_default_holds_where_nothing_is_set(agent: Agent) -> None:
    with Client(agent.row.provider, **agent.options) as client:
        result = client.run("Hi")
    assert (agent.sent(), agent.said(result.events)) == ("low", "low")


def test_what_the_user_has_set_takes_precedence_at_every_door(agent: Agent) -> None:
    agent.user_sets("high")
    with Client(agent.row.provider, **agent.options) as client:
        results = [client.run("Hi")]
        efforts = [agent.sent()]
        with client.session() as session:
            results.append(session.run("Hi"))
            results.append(session.run("And?"))
            efforts.append(agent.sent())
            if client.capabilities.fork:
                results.append(session.fork().run("Or?"))
                efforts.append(agent.sent())
            resumed = session.id
        results.append(client.run("Still?", resume=resumed))
        efforts.append(agent.sent())
        results += [each.unwrap() for each in client.map(["One"])]
        efforts.append(agent.sent())
        assert {*efforts} == {agent.said(each.events) for each in results if each} == {"high"}
        client.run("Quick.", effort="medium")
        assert agent.sent() == "medium"
    with Client(agent.row.provider, effort="low", **agent.options) as client:
        client.run("Hi")
        assert agent.sent() == "low"


@pytest.mark.parametrize("kind", ["codex-app-server", "claude-cli"])
def test_models_mark_what_will_be_used(kind: str, tmp_path: Path) -> None:
    with LoopbackModel("Certainly.") as model:
        agent = Agent(kind, model, tmp_path)
        for effort in ("low", "high"):
            if effort == "high":
                agent.user_sets(effort)
            with Client(agent.row.provider, **agent.options) as client:
                marked = {each.default_effort for each in client.models() if each.efforts}
            assert marked == {effort}


def test_variables_of_claude(tmp_path: Path) -> None:
    with LoopbackModel("Certainly.") as model:
        agent = Agent("claude-cli", model, tmp_path)
        agent.options["env"] |= {
            "ANTHROPIC_MODEL": "sonnet",
            "CLAUDE_CODE_EFFORT_LEVEL": "medium",
        }
        with Client("claude", **agent.options) as client:
            client.run("Hi")
            assert ("sonnet" in str(model.requests[-1].body["model"]), agent.sent()) == (
                True,
                "medium",
            )
            client.run("Hi", effort="low", model="opus")
            assert ("opus" in str(model.requests[-1].body["model"]), agent.sent()) == (True, "low")
