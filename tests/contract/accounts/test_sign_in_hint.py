"""Every place that says how to sign in says the same: the vendor's own login."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from signedin.accounts.hints import sign_in_command, typed_here
from signedin.providers.registry import load_provider
from support.program import environment, run_program

ROOT = Path(__file__).parents[3]
COMMAND = sign_in_command("codex")

PLACES: Mapping[str, Callable[[Callable[..., str]], str]] = {
    "a turn": lambda said: said("run", "Hello"),
    "auth status": lambda said: said("auth", "status"),
    "available": lambda said: said("available"),
    "doctor": lambda said: said("doctor", "--provider", "codex", "--no-smoke"),
    "limits": lambda said: said("limits"),
    "login": lambda said: said("login"),
    "providers": lambda said: said("providers"),
    "README": lambda _: (ROOT / "README.md").read_text("utf-8"),
    "tutorial": lambda _: (ROOT / "docs/tutorial.md").read_text("utf-8"),
    "the table of providers": lambda _: load_provider("codex").login,
}


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """The environment of somebody who has signed in nowhere."""
    return environment(HOME=str(tmp_path), SIGNEDIN_HOME=str(tmp_path / "signedin"))


@pytest.mark.parametrize("place", PLACES)
def test_every_place_gives_the_same_answer(place: str, env: dict[str, str]) -> None:
    def said(*arguments: str) -> str:
        done = run_program(*arguments, cwd=Path(env["HOME"]), env=env)
        return done.stdout + done.stderr

    text = PLACES[place](said)
    assert COMMAND in text
    assert f"{COMMAND} (" not in text


@pytest.mark.parametrize("place", ["auth status", "available", "doctor", "limits", "login"])
def test_what_is_named_is_found(place: str, env: dict[str, str]) -> None:
    env["PATH"] = "/usr/bin:/bin"

    def said(*arguments: str) -> str:
        done = run_program(*arguments, cwd=Path(env["HOME"]), env=env)
        return done.stdout + done.stderr

    assert COMMAND.replace("signedin", f"{sys.executable} -m signedin", 1) in PLACES[place](said)


def test_the_login_that_is_asked_for_is_the_one_to_sign_in_to(env: dict[str, str]) -> None:
    command = "signedin auth login --provider codex --account work"
    done = run_program("auth", "status", "--account", "work", cwd=Path(env["HOME"]), env=env)
    assert command in done.stdout


def test_a_login_of_ours_that_takes_precedence_is_named(env: dict[str, str]) -> None:
    Path(env["SIGNEDIN_HOME"], "codex").mkdir(parents=True)
    done = run_program("limits", cwd=Path(env["HOME"]), env=env)
    assert done.stderr.endswith(
        f"Sign in with: {COMMAND} (without --source external for signedin's own login, which takes "
        "precedence)\n"
    )


def test_a_vendors_program_is_named_as_it_is_found(tmp_path: Path) -> None:
    program = tmp_path / "opencode"
    assert typed_here("opencode auth login", program) == f"{program} auth login"
    assert typed_here("sh -c login", tmp_path / "sh") == "sh -c login"
    assert typed_here("vibe --setup", None) == "vibe --setup"
