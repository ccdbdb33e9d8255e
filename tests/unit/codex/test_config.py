"""Our options in Codex's words."""

import json
import tomllib
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, strategies as st

from signedin import InvalidOptionError
from signedin.model.options import McpServer, TurnOptions
from signedin.providers.codex import options as config, protocol as p
from signedin.providers.codex.options import CodexOptions

WORKSPACE_WRITE = p.WorkspaceWriteSandboxPolicy(
    network_access=False,
    writable_roots=[],
    exclude_slash_tmp=False,
    exclude_tmpdir_env_var=False,
)
PNG = b"\x89PNG\r\n\x1a\n...IEND"


def options(**fields: object) -> CodexOptions:
    return CodexOptions(TurnOptions(cwd=Path("/"), **fields))


@pytest.mark.parametrize(
    ("given_options", "effort"),
    [
        ({}, "low"),
        ({"effort": "high"}, "high"),
        ({"effort": "default"}, None),
        ({"provider_options": {"reasoning_effort": "medium"}}, "medium"),
        ({"provider_options": {"model_reasoning_effort": "medium"}}, "medium"),
        ({"provider_options": {"config": {"model_reasoning_effort": "xhigh"}}}, "xhigh"),
        ({"effort": "high", "provider_options": {"reasoning_effort": "medium"}}, "high"),
        (
            {
                "effort": "high",
                "provider_options": {"config": {"model_reasoning_effort": "xhigh"}},
            },
            "high",
        ),
        ({"provider_options": {"reasoning_effort": "default"}}, None),
    ],
)
def test_effort(given_options: dict[str, object], effort: str | None) -> None:
    assert options(**given_options).effort == effort


@pytest.mark.parametrize(("given_model", "model"), [(None, None), ("default", None), ("x", "x")])
def test_model(given_model: str | None, model: str | None) -> None:
    assert options(model=given_model).model == model


@pytest.mark.parametrize(
    ("permissions", "policy", "approval", "mode"),
    [
        ("read-only", p.ReadOnlySandboxPolicy(), "on-request", "read-only"),
        ("workspace-write", WORKSPACE_WRITE, "on-request", "workspace-write"),
        ("full-access", p.DangerFullAccessSandboxPolicy(), "never", "danger-full-access"),
    ],
)
def test_permissions(permissions: str, policy: object, approval: str, mode: str) -> None:
    given_options = options(permissions=permissions)
    assert given_options.sandbox_policy == policy
    assert given_options.approval_policy == approval
    assert config.SANDBOX_MODES[permissions] == mode


def test_the_caller_says_what_workspace_write_means() -> None:
    given = {"sandbox_workspace_write.network_access": True, "a.b": 1}
    given_options = options(permissions="workspace-write", provider_options={"config": given})
    assert given_options.config == {"a.b": 1}
    assert given_options.sandbox_policy == msgspec.structs.replace(
        WORKSPACE_WRITE, network_access=True
    )
    wrong = {"sandbox_workspace_write": {"roots": []}}
    with pytest.raises(InvalidOptionError, match="sandbox_workspace_write has no 'roots'; known"):
        options(provider_options={"config": wrong})
    with pytest.raises(InvalidOptionError, match="sandbox_workspace_write must be a table, not 1"):
        options(provider_options={"config": {"sandbox_workspace_write": 1}})


def test_no_network_is_granted() -> None:
    policy = options(permissions="workspace-write").sandbox_policy
    assert json.loads(msgspec.json.encode(policy)).get("networkAccess", False) is False


def test_provider_options() -> None:
    given_options = options(provider_options={"summary": "detailed", "config": {"a.b": 1}})
    assert given_options.keys.summary == "detailed"
    assert given_options.keys.personality is None
    assert given_options.config == {"a.b": 1}
    assert options().config == {}


def test_provider_options_that_are_none() -> None:
    with pytest.raises(InvalidOptionError, match="codex has no provider option 'sumary'; known: "):
        options(provider_options={"sumary": 1})
    with pytest.raises(InvalidOptionError, match="must map dotted keys to values, not 'a=1'"):
        options(provider_options={"config": "a=1"})


def test_configuration_is_a_copy() -> None:
    given_config = {"a": 1}
    options(provider_options={"config": given_config}).config["b"] = 2
    assert given_config == {"a": 1}


@pytest.mark.parametrize("image", ["https://x/y.png", "data:image/png;base64,AA==", PNG])
def test_images_that_are_no_files(image: str | bytes) -> None:
    assert config.image_file(image) is None


def test_images_as_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a.png"
    file.write_bytes(PNG)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for image in (file, str(file), "a.png", Path("a.png"), "~/a.png"):
        assert config.image_file(image) == file


@pytest.mark.parametrize("image", ["/nowhere.png", Path("/"), ""])
def test_images_that_are_not_there(image: object) -> None:
    with pytest.raises(InvalidOptionError, match="does not exist"):
        config.image_file(image)


@pytest.mark.parametrize(
    ("server", "entry"),
    [
        (McpServer(command="toy"), {"command": "toy", "default_tools_approval_mode": "prompt"}),
        (
            McpServer(
                command="toy",
                args=["-v"],
                env={"A": "1"},
                cwd="/w",
                startup_timeout=5,
                trusted=True,
            ),
            {
                "command": "toy",
                "args": ["-v"],
                "env": {"A": "1"},
                "cwd": "/w",
                "startup_timeout_sec": 5,
                "default_tools_approval_mode": "approve",
            },
        ),
        (
            McpServer(
                url="http://x", bearer_token_variable="T", headers={"H": "1"}, tool_timeout=2
            ),
            {
                "url": "http://x",
                "bearer_token_env_var": "T",
                "http_headers": {"H": "1"},
                "tool_timeout_sec": 2,
                "default_tools_approval_mode": "prompt",
            },
        ),
    ],
)
def test_mcp_servers(server: McpServer, entry: dict[str, object]) -> None:
    assert config.mcp_server(server) == entry


def test_arguments() -> None:
    given_config = {"a.b": True, "c": 'say "hi"', "d": {"e f": [1, 2.5, "x"]}}
    assert config.config_arguments(given_config) == [
        "-c",
        "a.b=true",
        "-c",
        'c="say \\"hi\\""',
        "-c",
        'd={"e f" = [1, 2.5, "x"]}',
    ]


toml_texts = st.text(st.characters(exclude_categories=["Cs"]))
toml_values = st.recursive(
    st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | toml_texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(toml_texts, inner, max_size=3),
    max_leaves=8,
)


@given(toml_values)
def test_any_value_as_toml(value: object) -> None:
    assert tomllib.loads(f"x = {config.to_toml(value)}") == {"x": value}


@pytest.mark.parametrize("value", [None, object(), b"x", [None], {"a": {1, 2}}])
def test_what_toml_has_no_word_for(value: object) -> None:
    with pytest.raises(InvalidOptionError, match="codex configuration cannot hold"):
        config.to_toml(value)


@pytest.mark.parametrize(
    ("key", "keyword"),
    [
        ("projects", "trust_project="),
        ('projects."/x".trust_level', "trust_project="),
        ('"projects"', "trust_project="),
        ("sandbox_mode", "permissions="),
        ("default_permissions", "permissions="),
        ("approval_policy", "permissions="),
        ("approvals_reviewer", "on_approval="),
    ],
)
def test_what_an_agent_may_do_is_said_in_one_way(key: str, keyword: str) -> None:
    with pytest.raises(InvalidOptionError) as raised:
        options(provider_options={"config": {key: "x"}})
    assert str(raised.value) == (
        f"provider_options['config'] cannot have {key!r}: say it with {keyword}"
    )


def test_mcp_servers_are_one_table() -> None:
    given_config = {
        "model": "m",
        "mcp_servers.own.command": "one",
        "mcp_servers.own.env": {"A": "1"},
        "mcp_servers": {"other": {"command": "two"}},
    }
    server = McpServer(command="three", trusted=True)
    assert config.with_mcp_servers(given_config, {"a.b": server}) == {
        "model": "m",
        "mcp_servers": {
            "own": {"command": "one", "env": {"A": "1"}},
            "other": {"command": "two"},
            "a.b": {"command": "three", "default_tools_approval_mode": "approve"},
        },
    }
    assert config.with_mcp_servers(given_config, {}) == given_config
