"""The transport of the axio plug-in, in a Python that has axio; see `support.axio_program`."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from signedin.integrations.axio import SignInScreen
from signedin.model.errors import MissingExtraError

ROOT = Path(__file__).parents[3]
INSTALLED = ROOT / ".agents" / "axio"
SECONDS = 100


def python_with_axio() -> Path:
    """This Python, or the one that scripts/install_axio.py has made."""
    if find_spec("axio") and find_spec("axio_responses"):
        return Path(sys.executable)
    if not (INSTALLED / "installed.json").is_file():
        pytest.skip("needs Python 3.12 and axio; install it with: python scripts/install_axio.py")
    return INSTALLED / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("axio")


@pytest.fixture(scope="module")
def report(home: Path) -> dict[str, Any]:
    """What all scenarios of the program gave."""
    done = subprocess.run(
        [python_with_axio(), "-m", "support.axio_program"],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
        cwd=home,
        env={
            **os.environ,
            "SIGNEDIN_HOME": str(home / "signedin"),
            "XDG_CACHE_HOME": str(home / "cache"),
            "PYTHONPATH": str(ROOT / "tests"),
        },
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_an_answer_is_told_in_axios_events(report: dict[str, Any]) -> None:
    image = {"type": "input_image", "image_url": "data:image/png;base64,iVBORw0KGgpJRU5E"}
    content = [{"type": "input_text", "text": "Look:"}, image]
    assert report["text"] == {
        "events": [
            ["IterationStart", 0, "resp_1", "scripted-large"],
            ["ReasoningDelta", 0, "Thinking."],
            ["BlockEnd", 0],
            ["TextDelta", 1, "Hel"],
            ["TextDelta", 1, "lo"],
            ["BlockEnd", 1],
            ["IterationEnd", 0, "end_turn", [20, 9, 8, 0, 3]],
        ],
        "signed": 1,
        "instructions": "Be brief.",
        "input": [{"role": "user", "content": content}],
        "include": ["reasoning.encrypted_content"],
    }


def test_an_agent_calls_its_tools(report: dict[str, Any]) -> None:
    assert report["agent"] == {
        "said": "It is large.",
        "tools": [["population", False]],
        "items": ["user", "reasoning", "function_call", "function_call_output"],
        "encrypted": True,
        "output": "717710",
    }


def test_an_error_is_axios_and_keeps_what_was_seen(report: dict[str, Any]) -> None:
    errors = report["errors"]
    seen = {name: [event[1:] for event in events[:-1]] for name, events in errors.items()}
    assert seen == {
        "usage limit": [],
        "login": [],
        "model": [],
        "in the answer": [[0, "a"]],
        "cut": [[0, "a"]],
    }
    assert {name: events[-1][:4] for name, events in errors.items()} == {
        "usage limit": ["UsageLimitError", "usage_limit", "quota", None],
        "login": ["AuthRequiredError", "auth_required", "authentication", None],
        "model": ["TurnFailedError", "model_not_found", "invalid_request", 400],
        "in the answer": ["TurnFailedError", "server", "retry", None],
        "cut": ["TurnFailedError", "network", "retry", None],
    }
    assert "plan plus, resets at 2027-01-15" in errors["usage limit"][-1][4]
    assert "signedin auth login --provider chatgpt" in errors["login"][-1][4]


def test_an_answer_that_ends_early_says_why(report: dict[str, Any]) -> None:
    assert report["ends"] == {
        "too long": "max_tokens",
        "filtered": "refusal",
        "another": "unknown",
        "refused": [["Refusal", 0, "No."], "refusal"],
    }


def test_nothing_is_lost_and_nothing_told_twice(report: dict[str, Any]) -> None:
    search = {"id": "ws-1", "status": "completed", "type": "web_search_call"}
    assert report["retried"] == {
        "requests": 2,
        "events": [
            ["ProviderEvent", "signedin", "retry"],
            ["IterationStart", 0, "resp_2", "scripted-large"],
            ["ProviderOutput", "openai", "web_search_call", search, 0, "ws-1"],
            ["BlockEnd", 0],
            ["TextDelta", 1, "Hello"],
            ["BlockEnd", 1],
            ["IterationEnd", 0, "end_turn", [10, 5, 4, 0, 1]],
        ],
    }


def test_an_answer_can_be_stopped(report: dict[str, Any]) -> None:
    assert report["stopped"] == ["TextDelta", 0, "Hel"]


def test_axio_finds_the_plug_in_and_the_stored_login(report: dict[str, Any], home: Path) -> None:
    can = ["reasoning", "text", "tool_use", "vision"]
    login = home / "signedin" / "chatgpt" / "accounts" / "axio" / "login.json"
    assert report["plug_in"] == {
        "name": "ChatGPT (signedin)",
        "without a login": f"not signed in: there is no login in {login}. Sign in with: "
        "signedin auth login --provider chatgpt --method browser --account axio",
        "models": [["scripted-large", can, 272000], ["scripted-small", can, 272000]],
        "asked": [["scripted-large", "low"], ["scripted-small", "low"], ["unlisted", None]],
    }


def test_the_example_of_the_guide_does_what_it_says(report: dict[str, Any]) -> None:
    assert report["guide"] == [["717,710", "294,029"], "294,029\n"]


@pytest.mark.skipif(find_spec("axio") is not None, reason="axio is installed here")
def test_without_axio_the_transport_says_what_to_install_and_the_screen_works() -> None:
    with pytest.raises(MissingExtraError) as raised:
        from signedin.integrations.axio import SignedInTransport  # noqa: F401, PLC0415
    assert raised.value.message == (
        "the axio plug-in (Python 3.12 or newer) is not installed: axio is missing. "
        'Install it with: pip install "signedin[axio]"'
    )
    assert SignInScreen.__module__ == "signedin.integrations.axio.screen"
