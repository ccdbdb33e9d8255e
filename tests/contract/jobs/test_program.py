"""`signedin run --worktree` and `signedin best-of`, with the real Codex behind them."""

import json
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from signedin.loopback import HttpError, LoopbackModel, Reply, Rule, Script, Shell, WriteFile
from signedin.providers.codex.options import to_toml
from support.program import PROGRAM, document, environment, run_program
from support.repositories import Repository

PATCH = "--- /dev/null\n+++ b/made.txt\n@@ -0,0 +1 @@\n+made\n"
WRITING = ("--permissions", "workspace-write", "--no-stream")
SCRIPT = Script(
    [WriteFile("made.txt", "made\n"), "Done."],
    [
        Rule([HttpError(400, "no")], contains="Fail"),
        Rule([Shell(r"printf 'caf\351\n' > made.txt"), "Done."], contains="Latin"),
        Rule([Reply('{"why": "small", "best": "B"}')], contains="Several agents"),
    ],
)


@pytest.fixture(scope="module")
def env(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Variables that have Codex talk to the scripted model."""
    with LoopbackModel(SCRIPT) as model:
        options = model.client_options("codex")
        home = Path(str(options["env"]["CODEX_HOME"]))
        settings = options["provider_options"]["config"]
        lines = (f"{name} = {to_toml(value)}\n" for name, value in settings.items())
        (home / "config.toml").write_text("".join(lines))
        variables = {name: str(value) for name, value in options["env"].items()}
        ours = str(tmp_path_factory.mktemp("ours"))
        yield {**environment(), **variables, "SIGNEDIN_HOME": ours}


def test_a_run_in_a_worktree(repository: Repository, env: dict[str, str]) -> None:
    ran = run_program("run", "--worktree", *WRITING, "Make it.", cwd=repository.path, env=env)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.startswith("Done.\ndiff --git a/made.txt b/made.txt\n")
    assert ran.stdout.endswith(PATCH)
    assert not (repository.path / "made.txt").exists()
    command = ("run", "--worktree", "--apply", "--json", *WRITING, "Make it.")
    ran = run_program(*command, cwd=repository.path, env=env)
    run, changes = ran.stdout.splitlines()
    assert json.loads(run)["text"] == "Done."
    assert document("run-worktree", changes)["applied"] == ["made.txt"]
    assert (repository.path / "made.txt").read_text() == "made\n"


def test_a_run_that_fails_applies_nothing(repository: Repository, env: dict[str, str]) -> None:
    command = ("run", "--worktree", "--apply", *WRITING, "Fail.")
    ran = run_program(*command, cwd=repository.path, env=env)
    assert (ran.returncode, ran.stdout, ran.stderr) == (1, "", "nothing was changed\nerror: no\n")


@pytest.mark.parametrize(
    ("command", "form"),
    [
        (("run", "--worktree", *WRITING, "Make it."), "run-worktree"),
        (("best-of", "-p", "codex", "Make it."), "best-of"),
    ],
)
def test_what_cannot_be_applied_is_not_lost(
    command: tuple[str, ...], form: str, repository: Repository, env: dict[str, str]
) -> None:
    repository.write({"made.txt": "mine\n"})
    ran = run_program(*command, "--apply", cwd=repository.path, env=env)
    assert ran.returncode == 1
    assert ran.stdout.endswith(PATCH)
    message = ran.stderr.splitlines()[-1].removeprefix("error: ")
    assert message == (
        f"changed on both sides, so nothing was applied to {repository.path}: made.txt; commit or "
        "move aside your own changes of these files and apply again, or merge the diff by hand"
    )
    ran = run_program(*command, "--apply", "--json", cwd=repository.path, env=env)
    *_, made, failure = ran.stdout.splitlines()
    assert document(form, made)["applied"] == []
    assert json.loads(failure)["error"]["message"] == message
    assert (repository.path / "made.txt").read_text() == "mine\n"


@pytest.mark.parametrize("command", [("run", "--worktree", *WRITING), ("best-of", "-p", "codex")])
def test_a_diff_in_a_file_has_every_byte(
    command: tuple[str, ...], repository: Repository, env: dict[str, str], tmp_path: Path
) -> None:
    patch = tmp_path / "made.patch"
    with patch.open("wb") as file:
        words = [PROGRAM, *command, "Latin."]
        subprocess.run(words, cwd=repository.path, env=env, stdout=file, check=True)
    repository.git("apply", str(patch))
    assert (repository.path / "made.txt").read_bytes() == b"caf\xe9\n"


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--worktree"], "--worktree is for changes, and the agent may make none"),
        (["--worktree", "--resume", "latest"], "--worktree is a new folder"),
        (["--apply"], "--apply, --base, --include and --setup are for --worktree"),
    ],
)
def test_flags_that_do_not_fit(
    flags: list[str], message: str, repository: Repository, env: dict[str, str]
) -> None:
    ran = run_program("run", *flags, "Make it.", cwd=repository.path, env=env)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.startswith(f"error: {message}")


@pytest.mark.parametrize(
    ("who", "message"),
    [
        ("codex effort", "--provider takes NAME=VALUE, not 'effort'"),
        ("it's", '--provider "it\'s" cannot be split into words: No closing quotation'),
        ("", "unknown provider ''"),
        ("codex efort=low", "unknown option 'efort'"),
    ],
)
def test_who_cannot_take_part(
    who: str, message: str, repository: Repository, env: dict[str, str]
) -> None:
    ran = run_program("best-of", "Make it.", "-p", who, cwd=repository.path, env=env)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.startswith(f"error: {message}")


def test_the_best_of_two(repository: Repository, env: dict[str, str], tmp_path: Path) -> None:
    check = shlex.join([sys.executable, "-c", "open('made.txt')"])
    page = tmp_path / "page.html"
    flags = ("-p", "codex", "-p", "codex effort=low", "--check", check, "--judge", "codex")
    command = ("best-of", "Make it.", *flags, "--page", page)
    ran = run_program(*command, cwd=repository.path, env=env)
    assert ran.returncode == 0
    assert ran.stdout.endswith(PATCH)
    rows = [line.split() for line in ran.stderr.splitlines()]
    assert rows[0] == ["NAME", "RUN", "CHECK", "FILES"]
    assert (rows[1][:2], rows[1][-2:]) == (["*", "codex"], ["passed", "1"])
    assert (rows[2][0], rows[2][-2:]) == ("codex-2", ["passed", "1"])
    assert ran.stderr.endswith(
        "judge: codex-2: small\njudge: codex: small\n"
        "best: codex, the judge chose another in each order: the first of these\n"
    )
    assert page.read_text().count("<section ") == 2
    ran = run_program(
        "best-of", "Make it.", *flags, "--apply", "--json", cwd=repository.path, env=env
    )
    made = document("best-of", ran.stdout)
    assert (made["best"], made["applied"]) == ("codex", ["made.txt"])
    assert [each["check"]["returncode"] for each in made["candidates"]] == [0, 0]
    assert (repository.path / "made.txt").read_text() == "made\n"


def test_rules_hold_for_all_of_them(
    repository: Repository, env: dict[str, str], tmp_path: Path
) -> None:
    rules = tmp_path / "policy.toml"
    rules.write_text('[[rules]]\nanswer = "deny"\nwrite = ["*.txt"]\n')
    flags = ("-p", "codex", "--policy", rules, "--permissions", "full-access")
    ran = run_program("best-of", "Make it.", *flags, cwd=repository.path, env=env)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr.endswith("none: no candidate changed something that passes\n")


def test_nobody_is_the_best(repository: Repository, env: dict[str, str]) -> None:
    ran = run_program("best-of", "Fail.", "-p", "codex", cwd=repository.path, env=env)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr.endswith("codex: no\nnone: no candidate changed something that passes\n")
