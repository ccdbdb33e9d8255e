"""Keywords, params and inputs become what is sent."""

from pathlib import Path

import msgspec
import pytest

from signedin.model.errors import InvalidOptionError
from signedin.providers.codex import ImageInput, SkillInput, TextInput, protocol as p
from signedin.providers.codex.api.inputs import input_parts
from signedin.providers.codex.api.keywords import sandbox_policy, wire_params


def sent(params: dict[str, object]) -> object:
    return msgspec.json.decode(msgspec.json.encode(params))


def test_keywords_become_wire_names() -> None:
    given = {"model_provider": "mine", "approval_policy": "never", "ephemeral": False}
    assert sent(wire_params(p.ThreadStartParams, None, given)) == {
        "modelProvider": "mine",
        "approvalPolicy": "never",
        "ephemeral": False,
    }


def test_none_is_not_sent_as_a_keyword_and_is_sent_in_params() -> None:
    assert wire_params(p.ThreadStartParams, None, {"model": None}) == {}
    assert wire_params(p.ThreadStartParams, {"model": None}, {"model": None}) == {"model": None}
    assert wire_params(p.ThreadStartParams, p.ThreadStartParams(model=None), {}) == {"model": None}


def test_a_params_object_sends_what_is_set() -> None:
    granular = p.GranularAskForApproval(
        granular=p.GranularAskForApprovalValue(
            mcp_elicitations=True, rules=True, sandbox_approval=False
        )
    )
    params = p.TurnStartParams(
        thread_id="t", input=[TextInput(text="hi")], approval_policy=granular, effort="low"
    )
    assert sent(wire_params(p.TurnStartParams, params, {"effort": "high"})) == {
        "threadId": "t",
        "input": [{"type": "text", "text": "hi"}],
        "approvalPolicy": {
            "granular": {"mcp_elicitations": True, "rules": True, "sandbox_approval": False}
        },
        "effort": "high",
    }


def test_folders_are_made_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/ada")
    for given, expected in (("sub", f"{tmp_path}/sub"), (Path("/a"), "/a"), ("~/b", "/home/ada/b")):
        assert wire_params(p.ThreadStartParams, None, {"cwd": given}) == {"cwd": expected}
    several = {"cwd": ["/a", "/b"]}
    assert wire_params(p.ThreadListParams, None, several) == several


@pytest.mark.parametrize("params", ["text", 7, ["a"], p.ThreadReadParams(thread_id="t")])
def test_other_params_are_refused(params: object) -> None:
    with pytest.raises(TypeError, match=f"not {type(params).__name__}$"):
        wire_params(p.ThreadStartParams, params, {})


def test_unknown_keywords_are_refused() -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'colour'"):
        wire_params(p.ThreadStartParams, None, {"model": "m", "colour": "red"})


def test_sandboxes() -> None:
    assert sandbox_policy("read-only") == p.ReadOnlySandboxPolicy()
    assert sandbox_policy("workspace-write") == p.WorkspaceWriteSandboxPolicy()
    assert sandbox_policy("danger-full-access") == p.DangerFullAccessSandboxPolicy()
    own = p.ExternalSandboxSandboxPolicy(network_access="restricted")
    assert sandbox_policy(own) is own
    assert sandbox_policy(None) is None
    with pytest.raises(
        InvalidOptionError, match=r"sandbox must be one of read-only, .* not 'full'"
    ):
        sandbox_policy("full")


def test_inputs() -> None:
    skill = SkillInput(name="juggle", path="/skills/juggle/SKILL.md")
    wire = {"type": "text", "text": "as it is", "text_elements": []}
    assert input_parts("hi") == [TextInput(text="hi")]
    assert input_parts(skill) == [skill]
    assert input_parts(wire) == [wire]
    assert input_parts(("hi", skill, wire)) == [TextInput(text="hi"), skill, wire]
    assert input_parts([]) == []
    assert sent({"input": input_parts([ImageInput(url="data:x"), wire])}) == {
        "input": [{"type": "image", "url": "data:x"}, wire]
    }


@pytest.mark.parametrize("given", [None, 7, b"bytes", {"a", "set"}, ["text", 7], [["nested"]]])
def test_other_inputs_are_refused(given: object) -> None:
    with pytest.raises(TypeError, match="input must be a str, a TextInput"):
        input_parts(given)
