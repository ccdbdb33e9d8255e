"""The ``gemini-acp`` transport: what is specific to Gemini when it speaks ACP."""

from __future__ import annotations

from pathlib import Path

from signedin.accounts.hints import typed_here
from signedin.model.errors import ErrorKind, UnsupportedOptionError
from signedin.model.options import TurnOptions
from signedin.providers.acp.catalogue import AgentTraits
from signedin.providers.acp.dialect import Launch, TurnSettings, check_mode
from signedin.providers.acp.process import ACPAgent, ClientFeatures
from signedin.providers.base import Installation, ProviderConfig
from signedin.providers.gemini import options as gemini
from signedin.providers.gemini.account.home import LOGIN, find_folder, gemini_folder
from signedin.providers.gemini.store import GeminiStore, RecalledStore, make_loadable
from signedin.providers.gemini.trust import check_trust
from signedin.providers.shared.binary import found_program, remember_version, require
from signedin.providers.shared.sandbox import SandboxedAgent

_MODES = {"default": "default", "auto_edit": "autoEdit", "yolo": "yolo", "plan": "plan"}
_OF_TRUSTED_FOLDERS = {"auto_edit", "yolo"}

# It reads files by itself, never runs commands through its client, and treats the client's "no such
# file" as a reason not to write a new one (seen with 0.61).
_FEATURES = ClientFeatures(files=False, terminal=False)


class GeminiDialect:
    """Gemini CLI among the agents that speak ACP."""

    name = "gemini"
    tested = gemini.TESTED
    traits = AgentTraits(
        install=gemini.INSTALL,
        late_replay=True,
        replays_open=False,
        # It reports a prompt that does not fit, but not an answer that is cut off (0.61).
        stop_failures={"max_tokens": ErrorKind.CONTEXT_WINDOW},
        fixed_options=frozenset({"extra_argv", "include_directories", "sandbox"}),
    )

    def __init__(self, config: ProviderConfig) -> None:
        self._config = config

    @property
    def login(self) -> str:
        """How to sign in."""
        return typed_here(LOGIN)

    def installation(self) -> Installation:
        """Looks for Gemini CLI."""
        return gemini.find_gemini(self._config)

    def settings(self, options: TurnOptions) -> TurnSettings:
        """Returns what a turn sets; the mode is the one that asks unless the caller names another.

        See `Dialect.settings`.
        """
        mode = self._keys(options).mode or "default"
        return TurnSettings(model=gemini.model(options), mode=_MODES[mode])

    def launch(self, options: TurnOptions) -> Launch:
        """Returns how to start Gemini; see `Dialect.launch`."""
        keys = self._keys(options)
        program = require(self.name, found_program(self._config, gemini.find_gemini))
        return Launch(
            argv=(str(program), "--acp", *keys.arguments),
            env={} if self._config.replays else gemini.start(self._config, options).env,
            features=_FEATURES,
        )

    def check_project(self, options: TurnOptions) -> None:
        """Looks for what Gemini would follow; see `Dialect.check_project`."""
        if not self._config.replays:
            check_trust(options, headless=False)

    def sandboxed(self, options: TurnOptions) -> SandboxedAgent:
        """Returns what its sandbox needs to know; see `Dialect.sandboxed`."""
        return gemini.sandboxed(self._config, options, self._keys(options))

    def store(self, options: TurnOptions) -> RecalledStore:
        """Reads Gemini's files: over the protocol it reports a session only while loading it."""
        return RecalledStore(GeminiStore(find_folder(self._config, options.env)), self._config)

    def notices(self, options: TurnOptions) -> tuple[str, ...]:
        """Returns what the user should know about how Gemini signs in."""
        return gemini.findings_for(self._config, options)

    def started(self, launch: Launch, agent: ACPAgent) -> None:
        """Remembers Gemini's version."""
        remember_version(Path(launch.argv[0]), agent.version)

    def before_load(self, session_id: str, launch: Launch, cwd: Path) -> None:
        """Makes a session loadable without damage; see `make_loadable`."""
        if self._config.replays:
            return
        store = GeminiStore(gemini_folder(launch.env))
        store.place(session_id, cwd)
        store.join(session_id)
        make_loadable(session_id, launch.env)

    def _keys(self, options: TurnOptions) -> gemini.GeminiKeys:
        keys = gemini.read_keys(options)
        if keys.mode in _OF_TRUSTED_FOLDERS and not options.trust_project:
            name = "approval_mode" if keys.approval_mode else "yolo"
            hint = (
                f"Gemini allows the mode {keys.mode} in trusted folders only; pass "
                "trust_project=True"
            )
            raise UnsupportedOptionError(self.name, name, hint)
        check_mode(self.name, options, keys.mode)
        return keys
