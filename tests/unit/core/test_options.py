"""Options are checked where they are given, and add up the same everywhere."""

import re
from pathlib import Path

import pytest

from signedin import Budget, Client, InvalidOptionError, McpServer, Retry, UnsupportedProviderError
from signedin.client.keywords import check_keywords, merge_keywords, resolve
from signedin.model.options import TurnKeywords, TurnOptions


def test_defaults(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    options = resolve({}, {})
    assert options == TurnOptions(cwd=tmp_path)
    assert (options.permissions, options.model, options.timeout) == ("read-only", None, None)


def test_the_nearer_one_counts_and_mappings_add_up(tmp_path: Path) -> None:
    defaults = check_keywords(
        {
            "model": "a",
            "effort": "low",
            "cwd": tmp_path,
            "env": {"A": "1", "B": "1"},
            "provider_options": {"x": 1, "y": 1},
        }
    )
    keywords = check_keywords(
        {"model": "b", "env": {"B": None}, "provider_options": {"y": 2}, "images": ["i.png"]}
    )
    assert resolve(defaults, keywords) == TurnOptions(
        cwd=tmp_path,
        model="b",
        effort="low",
        env={"A": "1", "B": None},
        provider_options={"x": 1, "y": 2},
        images=("i.png",),
    )
    assert defaults["env"] == {"A": "1", "B": "1"}


def test_none_takes_a_default_back(tmp_path: Path) -> None:
    defaults = check_keywords({"timeout": 5, "cwd": tmp_path, "model": "a"})
    options = resolve(defaults, check_keywords({"timeout": None, "cwd": None, "model": None}))
    assert (options.timeout, options.model, options.cwd) == (None, None, Path.cwd())


def test_merging_in_steps_is_merging_at_once() -> None:
    one = check_keywords({"env": {"A": "1"}, "model": "a"})
    two = check_keywords({"env": {"B": "2"}})
    three = check_keywords({"env": {"A": "3"}, "model": "c"})
    assert resolve(merge_keywords(one, two), three) == resolve(one, merge_keywords(two, three))


def test_paths_are_resolved_when_they_are_given(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "one" / "sub").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "one")
    given = check_keywords({"cwd": "sub"})
    monkeypatch.chdir(tmp_path)
    assert resolve(given, {}).cwd == tmp_path / "one" / "sub"


def test_a_symlink_keeps_its_name(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    assert check_keywords({"cwd": tmp_path / "link"})["cwd"] == tmp_path / "link"


def test_home_is_expanded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert check_keywords({"cwd": "~"})["cwd"] == tmp_path


@pytest.mark.parametrize(
    ("keywords", "complaint"),
    [
        ({"modle": "x"}, "unknown option 'modle'; known options: .*model"),
        ({"timeout": 0}, "timeout must be a positive number of seconds, not 0"),
        ({"timeout": -1.5}, "timeout must be a positive number of seconds, not -1.5"),
        ({"timeout": True}, "timeout must be a positive number of seconds, not True"),
        ({"timeout": "5"}, "timeout must be a positive number of seconds, not '5'"),
        ({"timeout": float("nan")}, "timeout must be a positive number of seconds, not nan"),
        ({"idle_timeout": 0}, "idle_timeout must be a positive number"),
        ({"timeout": 10**400}, "timeout is too large; leave it out for no limit"),
        ({"idle_timeout": 10**400}, "idle_timeout is too large"),
        ({"permissions": "all"}, "permissions must be one of read-only, .*, not 'all'"),
        ({"permissions": None}, "permissions must be one of"),
        ({"model": 5}, "model must be a string, not 5"),
        ({"effort": b"low"}, "effort must be a string"),
        ({"instructions": ["x"]}, "instructions must be a string"),
        ({"cwd": "/nowhere/at/all"}, r"cwd '/nowhere/at/all' does not exist"),
        ({"cwd": __file__}, "is not a directory"),
        ({"cwd": "a\0b"}, r"cwd 'a\\x00b' does not exist"),
        ({"cwd": "a" * 300}, r"cwd 'a+' cannot be used: File name too long"),
        ({"cwd": "~nobody at all/a"}, r"cwd '~nobody at all/a' does not exist"),
        ({"cwd": 3}, "cwd 3 is not a path: .*not int"),
        ({"cwd": b"/tmp"}, "cwd b'/tmp' is not a path: .*bytes"),
        ({"output_retries": -1}, "output_retries must be a whole number from 0"),
    ],
)
def test_mistakes(keywords: dict[str, object], complaint: str) -> None:
    with pytest.raises(InvalidOptionError, match=complaint):
        check_keywords(keywords)


def test_what_is_given_is_not_changed() -> None:
    given = {"images": ["a.png"], "cwd": "."}
    check_keywords(given)
    assert given == {"images": ["a.png"], "cwd": "."}


@pytest.mark.parametrize(
    ("keywords", "reason"),
    [
        ({"retry": 3}, "retry must be a Retry, not 3"),
        ({"on_approval": True}, "on_approval must be a function, not True"),
        ({"on_question": "yes"}, "on_question must be a function, not 'yes'"),
        ({"env": None}, "env must be a mapping, not None"),
        ({"env": {"A": 1}}, "env['A'] must be a string or None, not 1"),
        ({"env": {1: "A"}}, "env must have names, not 1"),
        ({"env": {"A=B": "x"}}, "env: 'A=B' cannot be the name of a variable"),
        ({"env": {"": "x"}}, "env: '' cannot be the name of a variable"),
        ({"env": {"A\0": None}}, "env: 'A\\x00' cannot be the name of a variable"),
        ({"env": {"A": "x\0y"}}, "env['A'] has a character that no variable can have"),
        ({"env": {"A": "\ud800"}}, "env['A'] has a character that no variable can have"),
        ({"images": "nope.png"}, "images must be a list, not 'nope.png'"),
        ({"images": [None]}, "images must be paths, addresses or bytes, not None"),
        (
            {"images": [b"text"]},
            "4 bytes in images: unsupported format; use PNG, JPEG, GIF or WebP",
        ),
        (
            {"images": [__file__]},
            f"image {__file__!r}: unsupported format; use PNG, JPEG, GIF or WebP",
        ),
        ({"tools": None}, "tools must be a list, not None"),
        ({"provider_options": None}, "provider_options must be a mapping, not None"),
        ({"mcp_servers": []}, "mcp_servers must be a mapping, not []"),
        ({"mcp_servers": {"a": "b"}}, "mcp_servers['a'] must be an McpServer, not 'b'"),
        ({"mcp_servers": {"a": {}}}, "an MCP server needs either command= or url="),
        (
            {"mcp_servers": {"a": {"comand": "x"}}},
            "mcp_servers['a']: McpServer has no 'comand'; known: command, args, ",
        ),
        ({"journal": "x.db"}, "unknown option 'journal'; it is given to map() or batch()"),
        ({"api_key": "k"}, "unknown option 'api_key'; a login needs none; to pay by use, give "),
        ({"effort": "hihg"}, "unknown effort 'hihg'; did you mean 'high'?"),
        ({"effort": "Low"}, "unknown effort 'Low'; did you mean 'low'?"),
        ({"ephemeral": 1}, "ephemeral must be True or False, not 1"),
        ({"account": "x"}, "unknown option 'account'; it is given to the client"),
        ({"output": int}, "unknown option 'output'; it is given to run() and stream()"),
    ],
)
def test_values_are_checked_where_they_are_given(keywords: TurnKeywords, reason: str) -> None:
    with pytest.raises(InvalidOptionError, match=re.escape(reason)):
        check_keywords(keywords)


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("modle", "model"),
        ("accont", "account"),
        ("outptu", "output"),
        ("concurency", "concurrency"),
        ("system_prompt", "instructions"),
    ],
)
def test_the_nearest_name_is_told(name: str, nearest: str) -> None:
    with pytest.raises(InvalidOptionError, match=rf"did you mean '{nearest}'\?"):
        check_keywords({name: "x"})


def test_an_mcp_server_may_be_a_mapping() -> None:
    given = check_keywords({"mcp_servers": {"a": {"command": "x", "args": ["y"]}}})
    assert given["mcp_servers"] == {"a": McpServer(command="x", args=["y"])}


@pytest.mark.parametrize("word", ["high", "none", "default", "ultra", "adaptive", "x-low-2"])
def test_a_word_of_a_vendor_is_passed_on_as_an_effort(word: str) -> None:
    assert check_keywords({"effort": word}) == {"effort": word}


@pytest.mark.parametrize(
    ("make", "name", "nearest"),
    [
        (Budget, "dollars", "usd"),
        (Budget, "token", "tokens"),
        (Retry, "retries", "max_retries"),
        (McpServer, "cmd", "command"),
    ],
)
def test_a_field_that_is_not_there_is_refused_as_options_are(
    make: type, name: str, nearest: str
) -> None:
    with pytest.raises(InvalidOptionError) as caught:
        make(**{name: 1})
    assert str(caught.value).startswith(f"{make.__name__} has no {name!r}; known: ")
    assert str(caught.value).endswith(f"; did you mean {nearest!r}?")


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("openai", "; did you mean 'codex' or 'chatgpt'?"),
        ("anthropic", "; did you mean 'claude'?"),
        ("google", "; did you mean 'gemini'?"),
        ("gpt-5", "; that is a model: give it as model= (--model) to 'codex' or 'chatgpt';"),
        ("opus", "; that is a model: give it as model= (--model) to 'claude';"),
        ("gemini-3-pro", "; that is a model: give it as model= (--model) to 'gemini';"),
        ("cladue", "; did you mean 'claude'?"),
        ("nobody", ";"),
    ],
)
def test_the_name_of_a_vendor_or_model_leads_to_the_provider(name: str, hint: str) -> None:
    with pytest.raises(UnsupportedProviderError) as caught:
        Client(name)
    assert str(caught.value).startswith(f"unknown provider {name!r}{hint} choose one of: codex, ")
