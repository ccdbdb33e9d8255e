"""How ``provider_options`` become the struct of a provider, and what is said where they do not."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Literal

import pytest
from msgspec import Meta

from signedin.model.errors import InvalidOptionError, UnsupportedOptionError
from signedin.providers.acp.provider import AgentKeys
from signedin.providers.chatgpt.options import ChatGPTKeys
from signedin.providers.claude.options import CliKeys
from signedin.providers.claude.sdk.options import SdkKeys
from signedin.providers.codex.options import CodexKeys
from signedin.providers.gemini.options import GeminiKeys
from signedin.providers.shared.provider_options import (
    ProviderOptions,
    Switch,
    Table,
    Text,
    Texts,
)


class Keys(ProviderOptions, frozen=True, kw_only=True):
    refused = {"cwd": "use cwd="}  # noqa: RUF012
    elsewhere = "other settings go into provider_options={'config': {}}"

    config: Table | None = None
    count: Annotated[int, Meta(ge=1, description="be a whole number from 1")] | None = None
    folders: Texts = ()
    hooks: object = None
    mode: Annotated[Literal["ask", "act"], Meta(description="be ask or act")] | None = None
    name: Text | None = None
    quiet: Switch = False

    def __post_init__(self) -> None:
        if self.name == "nobody":
            raise InvalidOptionError("nobody is not a name")


def read(**given: object) -> Keys:
    return Keys.read("agent", given)


def test_what_is_given_has_its_type() -> None:
    def hook() -> None: ...

    keys = read(
        config=MappingProxyType({"a": {"b": 1}}),
        count=2,
        folders=(Path("/x"), "y"),
        hooks={"start": [hook]},
        mode="act",
        name="Ada",
        quiet=True,
    )
    assert keys == Keys(
        config={"a": {"b": 1}},
        count=2,
        folders=["/x", "y"],
        hooks={"start": [hook]},
        mode="act",
        name="Ada",
        quiet=True,
    )


def test_none_is_not_given() -> None:
    assert Keys.read("agent", dict.fromkeys(Keys.__struct_fields__)) == Keys()


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"config": [1]}, "config must be a mapping, not [1]"),
        ({"config": {1: 2}}, "config must be a mapping, not {1: 2}"),
        ({"count": 0}, "count must be a whole number from 1, not 0"),
        ({"count": True}, "count must be a whole number from 1, not True"),
        ({"count": 1.5}, "count must be a whole number from 1, not 1.5"),
        ({"folders": "/x"}, "folders must be a list of strings, not '/x'"),
        ({"quiet": True, "folders": ["/x", 3]}, "folders must be a list of strings, not ['/x', 3]"),
        ({"mode": "all"}, "mode must be ask or act, not 'all'"),
        ({"name": 3}, "name must be a string, not 3"),
        ({"quiet": "yes"}, "quiet must be True or False, not 'yes'"),
    ],
)
def test_a_value_that_does_not_fit_is_named(given: Mapping[str, object], complaint: str) -> None:
    with pytest.raises(InvalidOptionError) as raised:
        Keys.read("agent", given)
    assert raised.value.message == f"provider_options: {complaint}"


@pytest.mark.parametrize(
    ("name", "hint"), [("folder", "; did you mean 'folders'?"), ("zzz", "")], ids=str
)
def test_a_key_that_is_unknown_gets_the_nearest_one(name: str, hint: str) -> None:
    with pytest.raises(InvalidOptionError) as raised:
        read(**{name: None})
    assert raised.value.message == (
        f"agent has no provider option {name!r}; known: config, count, folders, hooks, mode, name, "
        f"quiet; other settings go into provider_options={{'config': {{}}}}{hint}"
    )


def test_a_key_that_is_refused_says_what_to_do_instead() -> None:
    with pytest.raises(UnsupportedOptionError) as raised:
        read(cwd="/")
    assert raised.value.message == "agent does not support 'cwd': use cwd="


def test_what_a_provider_checks_itself_is_said_in_its_words() -> None:
    with pytest.raises(InvalidOptionError) as raised:
        read(name="nobody")
    assert raised.value.message == "nobody is not a name"


@pytest.mark.parametrize("keys", [AgentKeys, ChatGPTKeys, CliKeys, CodexKeys, GeminiKeys, SdkKeys])
def test_every_key_says_what_it_must_be(keys: type[ProviderOptions]) -> None:
    class Odd: ...

    for name in keys.__struct_fields__:
        if keys.__annotations__.get(name) in ("object", object):
            continue  # the SDK or the provider itself looks at it
        with pytest.raises(InvalidOptionError, match=f"^provider_options: {name} must "):
            keys.read("agent", {name: Odd()})


def test_no_value_is_shown() -> None:
    assert "sk-secret" not in repr(read(name="sk-secret"))
