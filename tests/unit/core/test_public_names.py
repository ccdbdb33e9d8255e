"""The public names, as Python and as a type checker see them."""

import ast
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import pytest

import signedin

MODULE_OF = {name: module for module, names in signedin._HOMES.items() for name in names.split()}
MODULES = {"otel": "signedin"}
"""The names that are modules."""


def names_of_stub() -> dict[str, str]:
    """Name → module, as `__init__.pyi` tells it."""
    stub = Path(signedin.__file__).with_suffix(".pyi")
    found: dict[str, str] = {}
    for node in ast.parse(stub.read_text("utf-8")).body:
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                assert alias.name == alias.asname, f"{alias.name} is not re-exported"
                found[alias.name] = str(node.module)
    return found


def test_stub_and_module_agree() -> None:
    modules = {name: f"signedin.{module}" for name, module in MODULE_OF.items()} | MODULES
    assert names_of_stub() == modules
    assert sorted(signedin.__all__) == sorted(modules)
    assert len(set(signedin.__all__)) == len(signedin.__all__)


@pytest.mark.parametrize("name", signedin.__all__)
def test_each_name(name: str) -> None:
    thing = getattr(signedin, name)
    assert getattr(signedin, name) is thing
    assert name in dir(signedin)
    module = find_spec(f"signedin.{MODULE_OF.get(name, name)}")
    assert module is not None
    if isinstance(thing, type):
        assert thing.__doc__, f"{name} has no documentation"


PUBLIC = (
    "signedin",
    "signedin.cli.page",
    "signedin.integrations.axio",
    "signedin.integrations.llm",
    "signedin.integrations.notebook",
    "signedin.integrations.pydantic_ai",
    "signedin.loopback",
    "signedin.otel",
    "signedin.providers.acp",
    "signedin.providers.chatgpt",
    "signedin.providers.codex",
    "signedin.safety.policy",
    "signedin.testing",
)


def test_the_list_of_public_names() -> None:
    """A name that comes or goes changes the list, so that nobody's program breaks by accident."""
    listed = Path(__file__).with_name("public_names.txt").read_text("utf-8").splitlines()
    assert [f"{module}: {name}" for module in PUBLIC for name in public_names(module)] == listed


@pytest.mark.parametrize("module", [name for name in PUBLIC if "axio" not in name])
def test_every_public_name_is_there(module: str) -> None:
    package = import_module(module)
    for name in public_names(module):
        assert getattr(package, name, None) is not None, name


def public_names(module: str) -> list[str]:
    return sorted(import_module(module).__all__)


def test_a_name_that_is_not_there() -> None:
    with pytest.raises(AttributeError, match="module 'signedin' has no attribute 'Nope'"):
        _ = signedin.Nope


def test_the_version_is_that_of_the_package() -> None:
    assert signedin.__version__ == version("signedin")
    assert "__version__" in dir(signedin)


@pytest.mark.parametrize("client", [signedin.Client, signedin.AsyncClient])
def test_a_clients_help_has_every_keyword(client: type) -> None:
    documented = client.__doc__ or ""
    assert [
        name for name in signedin.TurnKeywords.__annotations__ if f"``{name}``" not in documented
    ] == []
