"""How Gemini CLI would sign in, judged by files and variables; nothing here reads a secret.

Wire facts seen with Gemini CLI 0.61. It must not be started without a login: it would open a
browser, or read the first lines of the protocol as an authorization code.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import msgspec

from signedin.accounts.hints import how_to_sign_in
from signedin.accounts.homes import empty_folder
from signedin.accounts.status import AuthMode, AuthStatus, Payer
from signedin.model.errors import AuthRequiredError
from signedin.providers.gemini.account.home import LOGIN, chosen_in, gemini_folder
from signedin.providers.gemini.account.variables import VARIABLES
from signedin.providers.shared.project import identity

GOOGLE_LOGIN = "oauth-personal"

RETIRED = (
    "Google has ended signing in to Gemini CLI for personal accounts (free, AI Pro, AI Ultra); it "
    "works with Code Assist Standard and Enterprise only. Others use GEMINI_API_KEY or Vertex AI"
)

NOBODY = AuthStatus(provider="gemini", installed=True, authenticated=False)

_MEANINGS: Mapping[str, tuple[AuthMode, Payer]] = {
    "oauth-personal": ("login", "subscription"),
    "gemini-api-key": ("api-key", "api"),
    "vertex-ai": ("cloud", "cloud"),
    "compute-default-credentials": ("cloud", "cloud"),
    "cloud-shell": ("cloud", "cloud"),
}

_FLAGS = VARIABLES.switches
"""They apply only if they are ``true``."""

_VARIABLES = (
    ("GOOGLE_GENAI_USE_GCA", GOOGLE_LOGIN),
    ("GOOGLE_GENAI_USE_VERTEXAI", "vertex-ai"),
    ("GOOGLE_GEMINI_BASE_URL", "gateway"),
    ("GEMINI_API_KEY", "gemini-api-key"),
    ("CLOUD_SHELL", "compute-default-credentials"),
    ("GEMINI_CLI_USE_COMPUTE_ADC", "compute-default-credentials"),
)
"""Variables that choose a method, in Gemini's order, where the settings choose none."""

_ACP_VARIABLES = (("GOOGLE_GEMINI_BASE_URL", "gateway"), ("GEMINI_API_KEY", "gemini-api-key"))
"""The same over ACP, where it reads no others."""

_WITHOUT_TRUST = (
    "GEMINI_API_KEY",
    "GOOGLE_API_KEY",
    "GOOGLE_CLOUD_PROJECT",
    "GOOGLE_CLOUD_LOCATION",
)
"""What a ``.env`` file can set in a folder that is not trusted."""

_ASSIGNMENT = re.compile(
    r"""^\s*(?:export\s+)?([A-Za-z_]\w*)(?:[ \t]*=|:[ \t])[ \t]*["']?(true\b)?""", re.MULTILINE
)


class GeminiStart(msgspec.Struct, frozen=True, kw_only=True):
    """What decides how a Gemini CLI signs in.

    Attributes:
        env: Its environment.
        cwd: The project it works in.
        trusted: Whether it follows the project's configuration.
        acp: Whether it speaks ACP.
        removed: Names of the variables removed from its environment.
    """

    env: Mapping[str, str]
    cwd: Path
    trusted: bool
    acp: bool
    removed: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """Leaves out the environment, which may hold secrets."""
        return f"Start(cwd={str(self.cwd)!r}, trusted={self.trusted}, acp={self.acp})"

    @property
    def folder(self) -> Path:
        """Where it stores its state."""
        return gemini_folder(self.env)

    @property
    def home(self) -> Path:
        """The folder that is in."""
        return self.folder.parent


def without_project(start: GeminiStart) -> GeminiStart:
    """Stops the ``.env`` file of an untrusted project from setting variables of Gemini.

    A variable that is set, even to nothing, is not set again.
    """
    if start.trusted:
        return start
    written = _written(start)
    blanked = {
        name: ""
        for name in _WITHOUT_TRUST
        if name not in start.env and (name not in written or not _is_own(written[name], start))
    }
    return msgspec.structs.replace(start, env={**start.env, **blanked})


def chosen_method(start: GeminiStart) -> tuple[str | None, str]:
    """Returns how Gemini would sign in, and the file or variable that decides it.

    Settings take precedence over every variable, those of a trusted project over the user's, and
    variables over ``.env`` files.

    Raises:
        InvalidOptionError: A settings file is not JSON.
    """
    for folder in _settings_folders(start):
        if method := chosen_in(folder):
            return method, str(folder / "settings.json")
    written = _written(start)
    for name, method in _ACP_VARIABLES if start.acp else _VARIABLES:
        value = start.env.get(name)
        if value and (value == "true" or name not in _FLAGS):
            return method, name
        if value is None and name in written:
            return method, f"{name} in {written[name]}"
    return None, ""


def check_signed_in(start: GeminiStart) -> None:
    """Checks that Gemini can start without asking the user to sign in.

    A key in the system's keyring cannot be seen without asking for it; Gemini itself refuses
    if there is none.

    Raises:
        AuthRequiredError: Not signed in.
        InvalidOptionError: A settings file is not JSON.
    """
    methods = [chosen_method(start)[0]]
    if start.acp and (own := chosen_in(start.folder)):
        methods.append(own)  # it starts with the user's, whatever the project sets later
    known = {name for name, value in start.env.items() if value}
    known |= {name for name in _written(start) if name not in start.env}
    for method in methods:
        if problem := _problem(start, method, known):
            raise AuthRequiredError(
                f"gemini is not signed in: {problem}. {how_to_sign_in('gemini', LOGIN)}"
            )


def findings(start: GeminiStart) -> tuple[str, ...]:
    """Returns warnings: variables that were removed, and what besides the user decides who pays."""
    found = [
        f"{name} is set and would send the gemini login elsewhere; it is removed from the agent's "
        "environment (pass it in env= to keep it)"
        for name in start.removed
    ]
    method, by = chosen_method(start)
    if method and by == str(start.cwd / ".gemini" / "settings.json") and start.cwd != start.home:
        found.append(
            f"{by} chooses how to sign in: {method}; it takes precedence over the user's settings"
        )
    return tuple(found)


def _problem(start: GeminiStart, method: str | None, known: set[str]) -> str | None:
    if method is None:
        where = "GEMINI_API_KEY" if start.acp else "the environment"
        return f"no way to sign in is chosen in {start.folder / 'settings.json'} or {where}"
    if method == GOOGLE_LOGIN and not _has_google_login(start.folder, known):
        return f"Google sign-in is chosen but {start.folder} holds no login"
    if method == "vertex-ai" and not _has_vertex(known):
        return (
            "Vertex AI is chosen but neither GOOGLE_API_KEY nor GOOGLE_CLOUD_PROJECT and "
            "GOOGLE_CLOUD_LOCATION are set"
        )
    return None


def _settings_folders(start: GeminiStart) -> Iterator[Path]:
    """The settings files, the strongest first."""
    yield _system_folder()
    if start.trusted and start.cwd != start.home:
        yield start.cwd / ".gemini"
    yield start.folder


def _system_folder() -> Path:
    if sys.platform == "darwin":
        return Path("/Library/Application Support/GeminiCli")
    if sys.platform == "win32":
        return Path("C:/ProgramData/gemini-cli")
    return Path("/etc/gemini-cli")


def _written(start: GeminiStart) -> dict[str, Path]:
    """The variables that Gemini adds to its environment by itself, with their files.

    It may look above the name of its folder or where that leads: a file of the project's is named
    rather than one of the user's.
    """
    # Over ACP it is started in an empty folder, and looks around in the project later.
    folders = [empty_folder()] if start.acp else []
    found: dict[str, Path] = {}
    for folder in (*folders, start.cwd, start.cwd.resolve()):
        file, text = _dotenv(folder, start)
        for name, true in _ASSIGNMENT.findall(text):
            applies = start.trusted or name in _WITHOUT_TRUST
            if applies and (true or name not in _FLAGS):
                known = found.setdefault(name, file)
                found[name] = file if _is_own(known, start) else known
    return found


def _is_own(file: Path, start: GeminiStart) -> bool:
    own = {identity(Path.home()), identity(start.home)} - {None}
    return identity(file.parent) in own


def _dotenv(folder: Path, start: GeminiStart) -> tuple[Path, str]:
    """The one file that is read: the nearest above the folder, else one at home."""
    for place in (folder, *folder.parents, start.home):
        names = (".gemini/.env", ".env") if start.trusted else (".env",)
        for file in (place / name for name in names):
            with suppress(OSError):  # what we may not read, Gemini may not
                if file.is_file():
                    return file, file.read_text(encoding="utf-8", errors="replace")
    return folder, ""


def _has_google_login(folder: Path, known: set[str]) -> bool:
    if (folder / "oauth_creds.json").is_file():
        return True
    if {"GOOGLE_CLOUD_ACCESS_TOKEN", "GOOGLE_GENAI_USE_GCA"} <= known:
        return True
    # Moved to the system's keyring, the login leaves the name of the account behind.
    encrypted = "GEMINI_FORCE_ENCRYPTED_FILE_STORAGE" in known
    return encrypted and (folder / "google_accounts.json").is_file()


def _has_vertex(known: set[str]) -> bool:
    return "GOOGLE_API_KEY" in known or {"GOOGLE_CLOUD_PROJECT", "GOOGLE_CLOUD_LOCATION"} <= known


def interpret(basis: AuthStatus, start: GeminiStart) -> AuthStatus:
    """Returns who pays for a Gemini that is started like this.

    ``authenticated`` means that it would not ask the user to sign in. A key in the system's keyring
    cannot be seen, so a chosen key is assumed to exist.
    """
    method, decided_by = chosen_method(start)
    if method is None:
        return basis
    try:
        check_signed_in(start)
    except AuthRequiredError as error:
        return msgspec.structs.replace(basis, warnings=(*basis.warnings, error.message))
    mode, payer = _MEANINGS.get(method, ("unknown", "unknown"))
    warnings = (*basis.warnings, RETIRED) if method == "oauth-personal" else basis.warnings
    return msgspec.structs.replace(
        basis,
        authenticated=True,
        mode=mode,
        billing=payer,
        decided_by=decided_by,
        warnings=warnings,
        details={"method": method},
    )
