"""The commands beside ``signedin run``."""

import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from signedin.providers.registry import provider_names
from support import codex_home
from support.agents import program, versions
from support.processes import command_of
from support.program import PROGRAM, SECONDS, document, environment, run_program, started_program
from support.terminal import Terminal

_FROM_NPM = ("claude", "gemini", "opencode", "copilot", "qwen")


class TestOtherCommands:
    def test_available(self, tmp_path):
        codex_home.sign_in_with_key(tmp_path / ".codex")
        env = environment(HOME=str(tmp_path))
        done = run_program("available", cwd=tmp_path, env=env)
        assert (done.returncode, done.stdout, done.stderr) == (0, "yes\n", "")
        done = run_program("available", "--source", "isolated", "--json", cwd=tmp_path, env=env)
        found = document("available", done.stdout)
        assert (done.returncode, found["available"], found["installed"]) == (1, False, True)
        assert done.stderr == (
            "not signed in to codex; sign in with: signedin auth login --provider codex\n"
        )

    def test_not_available(self, tmp_path):
        env = environment(SIGNEDIN_CODEX_BINARY="/nowhere/codex")
        done = run_program("available", "--provider", "codex", cwd=tmp_path, env=env)
        assert (done.returncode, done.stdout) == (1, "no\n")
        assert done.stderr == (
            "SIGNEDIN_CODEX_BINARY=/nowhere/codex does not exist; "
            'install it with: pip install "signedin[codex]"\n'
        )

    def test_providers(self, tmp_path):
        done = run_program("providers", "--json", cwd=tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
        codex = next(
            row for row in document("providers", done.stdout) if row["provider"] == "codex"
        )
        assert codex["installed"]
        assert Path(codex["path"]).is_file()
        assert {each["name"]: each["default"] for each in codex["transports"]} == {
            "codex-app-server": True,
            "codex-exec": False,
        }
        assert "steer" in codex["transports"][0]["abilities"]
        assert (codex["signed_in"], codex["billing"]) == (False, "none")

    def test_providers_fit_a_narrow_terminal(self, tmp_path):
        agent = tmp_path / "codex"
        agent.write_text("#!/bin/sh\n[ $1 = --version ] && echo codex-cli 0.163.0\n")
        agent.chmod(0o755)
        env = environment(
            COLUMNS="60",
            SIGNEDIN_GEMINI_BINARY="/nowhere/gemini",
            SIGNEDIN_CODEX_BINARY=str(agent),
        )
        with Terminal([PROGRAM, "providers"], env=env, cwd=tmp_path, columns=60) as terminal:
            assert terminal.wait() == 0
        heading, *lines = terminal.lines
        rows, hints = lines[: len(provider_names())], lines[len(provider_names()) :]
        assert heading.split("  ")[0] == "PROVIDER"
        assert heading.split()[1:] == ["INSTALLED", "SIGNED", "IN", "PAYS"]
        assert [row.split()[0] for row in rows] == provider_names()
        # Whether somebody is signed in is not known in time where the machine is busy.
        assert rows[0].split() in (
            ["codex", "0.163.0", "no", "none"],
            ["codex", "0.163.0", "-", "-"],
        )
        assert all(len(row.split()) == 4 for row in rows)
        assert ["gemini", "no", "-", "-"] in [row.split() for row in rows]
        assert hints[-1] == "how to install one: signedin available --provider NAME"
        login = "sign in to chatgpt with: signedin auth login --provider chatgpt --method browser"
        assert login.replace(" ", "") in "".join(hints).replace(" ", "")

    def test_abilities_of_providers(self, tmp_path):
        done = run_program("providers", "--abilities", cwd=tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
        heading, *rows = done.stdout.splitlines()
        assert heading.split() == ["PROVIDER", "TRANSPORT", "ABILITIES"]
        assert any(row.startswith("codex ") and ", steer," in row for row in rows)
        [claude] = [row for row in rows if row.startswith("acp:claude ")]
        assert "approvals" in claude
        assert "sandboxed" not in claude

    def test_what_is_known_of_an_agent(self, tmp_path):
        status = run_program("auth", "status", "--json", cwd=tmp_path)
        assert (status.returncode, document("auth-status", status.stdout)["authenticated"]) == (
            1,
            False,
        )
        found = run_program("doctor", "--provider", "codex", "--no-smoke", "--json", cwd=tmp_path)
        assert found.returncode == 0
        assert {each["check"] for each in document("doctor", found.stdout)} > {"program", "login"}

    def test_what_earlier_versions_had_codex_trust(self, tmp_path, monkeypatch):
        home = tmp_path / "codex"
        home.mkdir()
        monkeypatch.setenv("CODEX_HOME", str(home))
        doctor = ("doctor", "--provider", "codex", "--no-smoke", "--json")

        def trust() -> list[dict[str, str]]:
            found = run_program(*doctor, cwd=tmp_path)
            assert found.returncode == 0
            return [each for each in document("doctor", found.stdout) if each["check"] == "trust"]

        (home / "config.toml").write_text('[projects."/b"]\ntrust_level = "untrusted"\n')
        assert trust() == []
        (home / "config.toml").write_text('[projects."/a"]\ntrust_level = "trusted"\n')
        [finding] = trust()
        assert finding["level"] == "warning"
        assert finding["message"] == (
            f'{home}/config.toml trusts 1 folder(s):\n[projects."/a"] trust_level = "trusted"'
        )
        assert "delete from that file those you did not intend" in finding["remedy"]

    def test_a_scripted_model_for_another_program(self, tmp_path):
        script = tmp_path / "script.yaml"
        script.write_text("default: hello\n")
        with started_program("loopback", script, "--json", cwd=tmp_path) as server:
            assert server.stdout is not None
            serving = document("loopback-line", server.stdout.readline())
            assert serving["kind"] == "serving"
            assert serving["arguments"][:4] == ["signedin", "run", "--provider", "codex"]
            with pytest.raises(HTTPError):
                urlopen(f"{serving['url']}/nowhere", timeout=SECONDS)
            assert document("loopback-line", server.stdout.readline()) == {
                "kind": "request",
                "number": 1,
                "method": "GET",
                "path": "/nowhere",
                "api": "",
                "model": "",
                "prompt": "",
                "tool_outputs": 0,
            }
            server.send_signal(signal.SIGTERM)
            assert server.communicate(timeout=SECONDS) == ("", "")
        assert server.returncode == 0

    def test_a_scripted_model_by_hand(self, tmp_path):
        script = tmp_path / "script.yaml"
        script.write_text("rules:\n- {contains: name, replies: I am a script.}\ndefault: hello\n")
        with started_program("loopback", script, cwd=tmp_path) as server:
            assert server.stdout is not None
            assert re.fullmatch(
                r"serving at http://127\.0\.0\.1:\d+/\S+\n", server.stdout.readline()
            )
            label, _, command = server.stdout.readline().partition(": ")
            assert label == "use it with"
            name, *arguments, prompt = shlex.split(command)
            assert (name, prompt) == ("signedin", "PROMPT")
            home = next(each for each in arguments if each.startswith("CODEX_HOME="))
            done = run_program(*arguments, "What is your name?", cwd=tmp_path)
            assert (done.returncode, done.stdout, done.stderr) == (0, "I am a script.\n", "")
            logged = "1 POST /v1/responses gpt-5.5: 'What is your name?'\n"
            assert server.stdout.readline() == logged
            server.send_signal(signal.SIGTERM)
            assert server.communicate(timeout=SECONDS) == ("", "")
        assert server.returncode == 0
        assert not Path(home.removeprefix("CODEX_HOME=")).exists()

    @pytest.mark.parametrize(
        "providers",
        [
            ["codex", "chatgpt"],
            ["claude", "gemini", "acp:opencode", "acp:copilot", "acp:qwen"],
        ],
        ids=" ".join,
    )
    def test_a_scripted_model_for_a_program_that_knows_nothing_of_it(self, tmp_path, providers):
        script = tmp_path / "script.yaml"
        script.write_text("rules:\n- {contains: name, replies: I am a script.}\n")
        own = tmp_path / "own.py"
        own.write_text(
            "import os, sys\n"
            "from signedin import Client, SignedinError\n"
            "for provider in sys.argv[1:]:\n"
            "    trusted = {'trust_project': True} if provider == 'acp:copilot' else {}\n"
            "    with Client(provider, **trusted) as client:\n"
            "        print(provider, client.run('What is your name?').text)\n"
            "try:\n"
            "    Client('chatgpt').run('Who?')\n"
            "except SignedinError:\n"
            "    print(os.environ['CODEX_HOME'])\n"
            "sys.exit(7)\n"
        )
        from_npm = [name for name in _FROM_NPM if any(name in each for each in providers)]
        folders = [str(program(name, versions(name)[0]).parent) for name in from_npm]
        env = environment(PATH=os.pathsep.join([*folders, os.environ["PATH"]]))
        arguments = ["loopback", script, "--", sys.executable, own, *providers]
        done = run_program(*arguments, cwd=tmp_path, env=env)
        *answers, home = done.stdout.splitlines()
        assert answers == [f"{provider} I am a script." for provider in providers]
        assert (done.returncode, Path(home).exists()) == (7, False)
        *requests, problem = done.stderr.splitlines()
        asked = [line for line in requests if line.endswith("'What is your name?'")]
        assert len(asked) == len(providers)
        assert re.fullmatch(
            r"not answered: request \d+: the script has no reply to the prompt 'Who\?' with 0 tool "
            r"outputs; add one, or a rule for this prompt",
            problem,
        )

    @pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
    def test_a_signal_reaches_the_program_that_is_run(self, tmp_path, name):
        script = tmp_path / "script.yaml"
        script.write_text("hello\n")
        own = "import signal; print(flush=True); print(signal.sigwait({signal.%s}).name)"
        block = "import signal; signal.pthread_sigmask(signal.SIG_BLOCK, {signal.%s}); "
        code = (block + own) % (name, name)
        arguments = ["loopback", script, "--", sys.executable, "-c", code]
        with started_program(*arguments, cwd=tmp_path, start_new_session=True) as server:
            assert server.stdout is not None
            assert server.stdout.readline() == "\n"
            server.send_signal(signal.Signals[name])
            assert server.communicate(timeout=SECONDS) == (f"{name}\n", "")
        assert server.returncode == 0

    def test_what_the_program_leaves_behind_is_ended(self, tmp_path):
        script = tmp_path / "script.yaml"
        script.write_text("hello\n")
        leaves = "setsid sleep 1000 </dev/null >/dev/null 2>&1 & echo $!"
        done = run_program("loopback", script, "--", "sh", "-c", leaves, cwd=tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
        assert command_of(int(done.stdout)) == []

    @pytest.mark.parametrize(
        ("arguments", "code", "error"),
        [
            (["--", "sh", "-c", "kill -9 $$"], 137, ""),
            (["--", "/nowhere/program"], 2, "error: /nowhere/program does not exist\n"),
            (["--json", "--", "true"], 2, "error: --json cannot be combined with a program"),
            (["--provider", "acp:cline", "--", "true"], 2, "error: no provider 'acp:cline' here"),
        ],
    )
    def test_a_program_that_does_not_run_to_its_end(self, tmp_path, arguments, code, error):
        script = tmp_path / "script.yaml"
        script.write_text("default: hello\n")
        done = run_program("loopback", script, *arguments, cwd=tmp_path)
        assert done.returncode == code
        assert done.stderr.startswith(error)
        assert bool(done.stderr) == bool(error)

    @pytest.mark.parametrize(
        ("content", "code", "error"),
        [
            (None, 2, "script.yaml does not exist"),
            (
                "default:\n- {type: nope}",
                2,
                "is not a script for the loopback model: line 2: Invalid value 'nope' - at ",
            ),
        ],
    )
    def test_a_script_that_cannot_be_played(self, tmp_path, content, code, error):
        script = tmp_path / "script.yaml"
        if content is not None:
            script.write_text(content)
        done = run_program("loopback", script, cwd=tmp_path)
        assert (done.returncode, done.stdout) == (code, "")
        assert done.stderr.startswith("error: ")
        assert error in done.stderr
        assert str(script) in done.stderr

    @pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["run", "--help"]])
    def test_help_and_version_import_nothing_but_click(self, tmp_path, arguments):
        """So that they are as fast as ``import click``; what they import decides that."""
        script = (
            f"import sys; from signedin.cli.app import run_program; run_program({arguments}); "
            "heavy = {'asyncio', 'rich', 'msgspec', 'pydantic', 'pygments'}; "
            "print(sorted(heavy & {name.partition('.')[0] for name in sys.modules}))"
        )
        done = subprocess.run(
            [sys.executable, "-c", script],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            check=True,
            timeout=SECONDS,
        )
        assert done.stdout.splitlines()[-1] == "[]"

    @pytest.mark.parametrize(
        ("closed", "code", "error"),
        [
            ("2>&- <&-", 0, ""),
            (">&- 2>&- <&-", 1, ""),
            (
                ">&-",
                1,
                "error: standard output is closed; send it to a file, or to /dev/null\n",
            ),
        ],
    )
    def test_closed_streams(self, tmp_path, closed, code, error):
        command = f"{shlex.quote(str(PROGRAM))} --version {closed}"
        done = subprocess.run(
            ["/bin/sh", "-c", command],
            cwd=tmp_path,
            timeout=SECONDS,
            check=False,
            env=os.environ,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert (done.returncode, done.stderr) == (code, error)

    def test_as_a_module(self, tmp_path):
        done = subprocess.run(
            [sys.executable, "-m", "signedin", "--version"],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            timeout=SECONDS,
            check=False,
        )
        assert (done.returncode, done.stdout[:9], done.stderr) == (0, "signedin ", "")

    def test_in_a_folder_that_is_gone(self, tmp_path):
        gone = tmp_path / "gone"
        command = f"mkdir {gone} && cd {gone} && rmdir {gone} && {shlex.quote(str(PROGRAM))} run hi"
        done = subprocess.run(
            ["/bin/sh", "-c", command],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env=environment(),
            timeout=SECONDS,
            check=False,
        )
        error = "error: the current folder does not exist any more; change to another one\n"
        assert (done.returncode, done.stdout, done.stderr) == (2, "", error)
