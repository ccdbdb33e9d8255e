"""Files with anything in them: those of the programs, of the user and our own."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from faults.fuzz.cases import Case, documents, rows, texts
from signedin.cli.page.record import from_json
from signedin.loopback.player import read_script
from signedin.providers.chatgpt import models
from signedin.providers.claude.account import home as claude
from signedin.providers.codex import trust
from signedin.providers.codex.account import home as codex
from signedin.providers.codex.account.login_file import is_login
from signedin.providers.codex.app_server import session as threads
from signedin.providers.gemini.account import home as gemini, method
from signedin.providers.shared import binary

TOML = (
    b'model = "m"\ncli_auth_credentials_store = "file"\n[projects."/w"]\ntrust_level = "trusted"\n',
    b"project_doc_max_bytes = 5\n[mcp_servers.a]\ncommand = 'x'\nargs = [[1, 2], {a = 1}]\n",
)
JSONC = (b'{\n  // chosen\n  "security": {"auth": {"selectedType": "x"}}, /* a */ "b": [1]\n}\n',)
DOTENV = (b"# keys\nexport GEMINI_API_KEY='a b'\nGOOGLE_GENAI_USE_GCA=true\nA: b\n",)
YAML = (
    b"default: Hi\nrules:\n  - contains: a\n    replies:\n      - {kind: shell, command: ls}\n",
    b"rules: [{matches: 'a+', replies: [&x {kind: reply, content: [a]}, *x]}]\n",
)
AUTH = (
    {"tokens": {"refresh_token": "r", "id_token": "a.b.c"}, "last_refresh": "2026-01-01"},
    {"OPENAI_API_KEY": "k", "personal_access_token": None},
)
CREDENTIALS = ({"claudeAiOauth": {"accessToken": "a", "expiresAt": 1.5, "refreshToken": "r"}},)
SETTINGS = ({"env": {"ANTHROPIC_API_KEY": "k"}, "apiKeyHelper": "x"},)
VERSIONS = ({"/bin/sh": {"fingerprint": [1, 2], "version": "1.0"}},)
MODELS = ({"models": [{"slug": "m", "priority": 1}], "etag": "e", "checked_at": 1.5},)
THREAD = ({"payload": {"dynamic_tools": [{"name": "a"}]}, "type": "session_meta"},)
RUN = (
    [
        {"kind": "session", "session_id": "s", "timestamp": 1.5, "raw": {}},
        {"kind": "message_delta", "item_id": "1", "text": "H"},
        {"kind": "message", "item_id": "1", "text": "Hi", "raw": {"a": [1]}},
        {"kind": "command", "item_id": "2", "status": "started", "command": "ls"},
        {"kind": "usage", "usage": {"input_tokens": 5, "total_tokens": 6}},
        {"kind": "unheard_of", "text": "x"},
        {"kind": "done", "reason": "completed", "text": "Hi"},
        {
            "kind": "result",
            "reason": "completed",
            "elapsed": 1.0,
            "provider": "codex",
            "events": [],
        },
    ],
)


def started(folder: Path) -> method.GeminiStart:
    env = {"GEMINI_CLI_HOME": str(folder)}
    return method.GeminiStart(env=env, cwd=folder, trusted=True, acp=False)


def read_conversation(file: Path) -> None:
    with suppress(UnicodeDecodeError):  # which the command line words
        from_json(file.read_bytes().decode())


Cases = tuple[Callable[..., Iterator[Case]], tuple[object, ...]]
READERS: dict[str, tuple[str, Cases, Callable[[Path], object]]] = {
    "codex config": ("config.toml", (texts, TOML), trust.trusted_in),
    "codex config, for a login": (
        "config.toml",
        (texts, TOML),
        lambda f: codex._may_have_login(f.parent),
    ),
    "codex config, to write in": (
        "config.toml",
        (texts, TOML),
        lambda f: codex._make_isolated(f.parent),
    ),
    "codex config, of instructions": (
        "config.toml",
        (texts, TOML),
        lambda f: trust.instructions(f.parent, f.parent, {}),
    ),
    "codex login": ("auth.json", (documents, AUTH), lambda f: is_login(f.read_bytes())),
    "codex thread": ("t.jsonl", (documents, THREAD), lambda f: threads._stored_tools(str(f))),
    "claude login": (
        claude.CREDENTIALS_FILE,
        (documents, CREDENTIALS),
        lambda f: claude._may_have_login(f.parent),
    ),
    "claude settings": ("settings.json", (documents, SETTINGS), claude._other_payers),
    "gemini settings": ("settings.json", (texts, JSONC), lambda f: gemini.chosen_in(f.parent)),
    "gemini settings, to write in": (
        ".gemini/settings.json",
        (texts, JSONC),
        lambda f: gemini._prepare(f.parents[1]),
    ),
    "gemini environment": (
        ".env",
        (texts, DOTENV),
        lambda f: method.check_signed_in(started(f.parent)),
    ),
    "loopback script": ("script.yaml", (texts, YAML), read_script),
    "versions": ("programs.json", (documents, VERSIONS), lambda f: binary._read_cache()),
    "what was run": ("run.jsonl", (rows, RUN), read_conversation),
    "models": ("models.json", (documents, MODELS), models._read),
}


@pytest.mark.parametrize("name", READERS)
def test_files(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    where, (cases, golden), read = READERS[name]
    file = tmp_path / where
    file.parent.mkdir(exist_ok=True)
    monkeypatch.setattr(binary, "_cache_file", lambda: file)
    for case in cases(*golden):
        file.write_bytes(case.data)
        with case:
            read(file)
