"""What `pip install signedin` brings, and each of its extras, in environments of their own."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from shutil import rmtree
from venv import EnvBuilder

import pytest

from signedin.providers.base import ProviderConfig
from signedin.providers.codex.binary import find_codex

PROGRAMS = "Scripts" if sys.platform == "win32" else "bin"
PACKAGES = """
from importlib.metadata import distributions
import json
print(json.dumps(sorted({each.name.lower() for each in distributions()})))
"""
TURN = """
from signedin import Client
from signedin.loopback import LoopbackModel
with LoopbackModel({script!r}) as model:
    with Client({provider!r}, **model.client_options({provider!r})) as client:
        print(client.run("Hi", **{keywords!r}).text)
"""
SCHEMA = {"output": {"type": "object", "properties": {"n": {"type": "integer"}}}}
TOOLS = """
import asyncio
from signedin import tool
from signedin.providers.shared.tool_service import ToolService
async def main():
    service = ToolService("gemini")
    offered = await service.offer((distance,))
    print(list(offered.tools), offered.url.partition(":")[0])
    await service.aclose()
@tool
def distance(n: int) -> int:
    "The distance to nothing."
    return n
asyncio.run(main())
"""
LOOPBACK = """
from pathlib import Path
from signedin.loopback import LoopbackIssuer, read_script
from signedin.loopback.agent_sign_in import AgentSignIn
Path("script.yaml").write_text("Hello")
print(read_script("script.yaml").default)
print(len(AgentSignIn(None, None).keys()["keys"]))
"""
COMPRESSED = """
from pathlib import Path
from signedin.cassettes.tape import write_tape
file = Path("run.jsonl.zst")
write_tape(file, [b"{}"])
"""
KEYRING = """
from signedin.accounts.vaults import KeyringVault
print(KeyringVault().where("work"))
"""
PRICED = """
from signedin import Usage
print(Usage(input_tokens=1).of_model("gpt-5.5").priced_by)
"""
DASK = """
from signedin import Client, DaskExecutor
batch = Client("codex").batch(["Hi"], journal="run.db")
list(batch.run(executor=DaskExecutor("tcp://127.0.0.1:1")))
"""
PYDANTIC_AI = """
from signedin.integrations.pydantic_ai import SignedInModel, signedin_openai
print(SignedInModel("codex").system)
"""
CARRIED = """
from signedin.accounts.transfer import read_line, seal
print(read_line({0!r}, seal({0!r}, b"login", "secret"), lambda: "secret").decode())
"""
WATCHED = "from signedin import otel; otel.instrument(); print(1)"
IMPORTED = "import signedin.providers.claude.sdk.peer; print(1)"
FOUND = """
import os
del os.environ["SIGNEDIN_CODEX_BINARY"]
from signedin.providers.base import ProviderConfig
from signedin.providers.{0}.binary import find_{0}
print(find_{0}(ProviderConfig(transport="")).origin)
"""


class Environment:
    """A virtual environment that has the package and what it needs, and nothing else."""

    def __init__(self, folder: Path, requirement: str) -> None:
        EnvBuilder().create(folder)
        self._folder = folder
        self._python = folder / PROGRAMS / "python"
        self._cwd = folder / "work"
        self._cwd.mkdir()
        self._pip("install", "--quiet", "--no-compile", requirement)

    def run(self, code: str) -> str:
        """What some code prints."""
        done = self._run(str(self._python), "-I", "-c", code)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def signedin(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self._run(str(self._folder / PROGRAMS / "signedin"), *arguments)

    def bytes(self) -> int:
        return sum(path.stat().st_size for path in self._folder.glob("lib/**/*") if path.is_file())

    def _pip(self, *arguments: str) -> None:
        python = str(self._python)
        subprocess.run(
            [sys.executable, "-m", "pip", "--python", python, *arguments], check=True, timeout=100
        )

    def _run(self, *command: str) -> subprocess.CompletedProcess[str]:
        codex = find_codex(ProviderConfig(transport="codex-app-server")).path
        return subprocess.run(
            command,
            cwd=self._cwd,
            env={**os.environ, "SIGNEDIN_CODEX_BINARY": str(codex), "HOME": str(self._cwd)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory, wheel_file: Path) -> Environment:
    return Environment(tmp_path_factory.mktemp("base"), str(wheel_file))


def test_without_extras_it_is_small(base: Environment) -> None:
    assert json.loads(base.run(PACKAGES)) == ["filelock", "msgspec", "signedin"]
    assert base.bytes() < 8_000_000  # without byte code, which is written when it runs


def test_without_extras_a_turn_runs(base: Environment) -> None:
    assert base.run(TURN.format(provider="codex", script="Hello", keywords={})) == "Hello\n"


def test_without_its_extra_the_program_says_what_to_install(base: Environment) -> None:
    ended = base.signedin("run", "Hi")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == (
        "error: the command line is not installed: click is missing. "
        'Install it with: pip install "signedin[cli]"\n'
    )


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (
            TURN.format(provider="codex", script="{}", keywords=SCHEMA),
            "validation of output= with a JSON Schema is not installed: jsonschema is missing. "
            'Install it with: pip install "signedin[schema]"',
        ),
        (
            TURN.format(provider="chatgpt", script="Hello", keywords={}),
            "chatgpt is not installed: aiohttp is missing. "
            'Install it with: pip install "signedin[chatgpt]"',
        ),
        (
            TOOLS,
            "what gemini needs for tools= is not installed: mcp_types is missing. "
            'Install it with: pip install "signedin[tools]"',
        ),
        (
            LOOPBACK,
            "reading a script from a file is not installed: yaml is missing. "
            'Install it with: pip install "signedin[loopback]"',
        ),
        (
            KEYRING,
            "access to the system's keyring is not installed: keyring is missing. "
            'Install it with: pip install "signedin[keyring]"',
        ),
        (
            DASK,
            "DaskExecutor is not installed: distributed is missing. "
            'Install it with: pip install "signedin[batch]"',
        ),
        (
            WATCHED,
            "OpenTelemetry is not installed: opentelemetry is missing. "
            'Install it with: pip install "signedin[otel]"',
        ),
        (
            PYDANTIC_AI,
            "the pydantic-ai plug-in is not installed: anyio is missing. "
            'Install it with: pip install "signedin[pydantic-ai]"',
        ),
        (
            "import signedin.integrations.llm",
            "the plug-in of llm is not installed: llm is missing. "
            'Install it with: pip install "signedin[llm]"',
        ),
        (
            "signedin.load_ipython_extension(None)",
            "the notebook extension is not installed: IPython is missing. "
            'Install it with: pip install "signedin[notebook]"',
        ),
        (
            COMPRESSED,
            "a cassette whose name ends with .zst is not installed: zstandard is missing. "
            'Install it with: pip install "signedin[zstd]"',
        ),
        (
            CARRIED.format("codex"),
            "exporting and importing a codex login is not installed: cryptography is "
            'missing. Install it with: pip install "signedin[codex]"',
        ),
    ],
    ids=[
        "schema",
        "chatgpt",
        "tools",
        "loopback",
        "keyring",
        "batch",
        "otel",
        "pydantic-ai",
        "llm",
        "notebook",
        "zstd",
        "codex",
    ],
)
def test_without_an_extra_it_says_which(base: Environment, code: str, message: str) -> None:
    caught = f"""
import signedin
from signedin import MissingExtraError
try:
    exec({code!r})
except MissingExtraError as error:
    print(error.message)
"""
    assert base.run(caught) == f"{message}\n"


def test_without_its_extra_a_result_is_shown_as_markdown(base: Environment) -> None:
    shown = "result = client.run('Hi'); print(result._repr_html_(), result._repr_markdown_())"
    turn = TURN.format(provider="codex", script="Hello", keywords={})
    before, _, _ = turn.rpartition("print(")
    assert base.run(f"{before}{shown}") == "None Hello\n"


def test_without_list_prices_a_price_is_not_known(base: Environment) -> None:
    assert base.run(PRICED) == "None\n"


@pytest.mark.parametrize(
    ("extra", "code", "printed"),
    [
        ("gemini", "import signedin.providers.gemini.acp; print(1)", "1\n"),
        ("schema", TURN.format(provider="codex", script='{"n": 1}', keywords=SCHEMA), '{"n": 1}\n'),
        ("chatgpt", TURN.format(provider="chatgpt", script="Hello", keywords={}), "Hello\n"),
        ("chatgpt", CARRIED.format("chatgpt"), "login\n"),
        ("tools", TOOLS, "['distance'] http\n"),
        ("loopback", LOOPBACK, "Hello\n1\n"),
        ("otel", WATCHED, "1\n"),
        ("prices", PRICED, "list\n"),
        ("batch", "import signedin.jobs.batch.dask_rows; print(1)", "1\n"),
        ("llm", "import llm; print(llm.get_model('signedin/codex').model_id)", "signedin/codex\n"),
        ("notebook", "import signedin.integrations.notebook; print(1)", "1\n"),
        ("keyring", KEYRING, "the system's keyring, service 'signedin', account 'work'\n"),
        ("pydantic-ai", PYDANTIC_AI, "signedin:codex\n"),
        ("zstd", f"{COMPRESSED}print(file.read_bytes()[:4].hex())", "28b52ffd\n"),
        # Half a gigabyte each.
        pytest.param("codex", FOUND.format("codex"), "package\n", marks=pytest.mark.slow),
        pytest.param("codex", CARRIED.format("codex"), "login\n", marks=pytest.mark.slow),
        pytest.param("claude", FOUND.format("claude"), "package\n", marks=pytest.mark.slow),
        pytest.param("claude", IMPORTED, "1\n", marks=pytest.mark.slow),
    ],
)
def test_each_extra_alone(
    environments: "Environments", extra: str, code: str, printed: str
) -> None:
    assert environments[extra].run(code) == printed


def test_the_extra_of_the_program(environments: "Environments") -> None:
    program = environments["cli"]
    shown = program.signedin("--version")
    assert (shown.returncode, shown.stderr) == (0, "")
    ended = program.signedin("demo")
    assert (ended.returncode, ended.stderr) == (0, "")
    program.run("import signedin.cli.interactive.prompt, signedin.cli.page.document")


class Environments(dict[str, Environment]):
    """Environments by extra, each made when it is first asked for."""

    def __init__(self, folder: Path, wheel: Path) -> None:
        super().__init__()
        self._folder = folder
        self._wheel = wheel

    def __missing__(self, extra: str) -> Environment:
        made = Environment(self._folder / extra, f"{self._wheel}[{extra}]")
        self[extra] = made
        return made


@pytest.fixture(scope="module")
def environments(
    tmp_path_factory: pytest.TempPathFactory, wheel_file: Path
) -> Iterator[Environments]:
    folder = tmp_path_factory.mktemp("extras")
    yield Environments(folder, wheel_file)
    rmtree(folder)
