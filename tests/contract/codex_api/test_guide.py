"""The examples of the guide, run one after the other as a reader would."""

import re
import webbrowser
from collections.abc import Iterator
from pathlib import Path

import pytest

from signedin.loopback import LoopbackIssuer, LoopbackModel, Rule, Script, Shell, ToolCall
from signedin.providers.codex.options import to_toml

DOCS = Path(__file__).parents[3] / "docs"
GUIDE = DOCS / "codex-client.md"
EXAMPLE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SCRIPT = Script(
    "Certainly.",
    [
        Rule([Shell("cat main.py"), "It prints."], contains="Explain main.py"),
        # A turn without a prompt; what came from outside counts as the output of the first reply.
        Rule([Shell("true"), "Noted."], contains="<environment_context>"),
        Rule(
            [
                ToolCall("due_date", {}),
                Shell("touch x"),
                "Done.",
            ],
            contains="Fix the failing test",
        ),
    ],
)


@pytest.fixture
def issuer(
    login_ports: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[LoopbackIssuer]:
    """A folder to stand in, and a Codex set up for a scripted model and an issuer."""
    (tmp_path / "main.py").write_text("print('hello')\n")
    monkeypatch.chdir(tmp_path)
    with LoopbackModel(SCRIPT) as model, LoopbackIssuer() as issuer:
        options = model.client_options("codex")
        home = Path(str(options["env"]["CODEX_HOME"]))
        config = {**options["provider_options"]["config"], **issuer.codex_config}
        needs_login = config.pop("model_providers.loopback.requires_openai_auth")
        config["model_providers.loopback"]["requires_openai_auth"] = needs_login
        lines = [f"{key} = {to_toml(value)}\n" for key, value in config.items()]
        (home / "config.toml").write_text("".join(lines))
        for name, value in {"CODEX_HOME": str(home), **issuer.codex_env}.items():
            monkeypatch.setenv(name, str(value))
        monkeypatch.setattr(webbrowser, "open", issuer.visit)
        yield issuer


def test_the_examples_run(issuer: LoopbackIssuer) -> None:
    printed: list[str] = []

    def show(*values: object, end: str = "\n") -> None:
        printed.append(" ".join(map(str, values)))
        if values[0] == "open":
            issuer.approve_device(str(values[-1]))

    names: dict[str, object] = {"print": show}
    for example in EXAMPLE.findall(GUIDE.read_text()):
        exec(compile(example, GUIDE.name, "exec"), names)
    assert printed.count("Certainly.") == 2
    assert "$ /bin/bash -c 'cat main.py' 0" in printed
    assert "It prints." in printed
    assert printed.count("signed in: True") == 2
    assert "pro 12" in printed
    assert "completed" in printed


def test_the_example_of_signing_in_at_the_loopback_issuer() -> None:
    page = (DOCS / "testing-your-code.md").read_text()
    [example] = [code for code in EXAMPLE.findall(page) if "LoopbackIssuer" in code]
    exec(compile(example, "testing-your-code.md", "exec"), {})
