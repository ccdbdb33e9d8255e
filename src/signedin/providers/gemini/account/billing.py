"""Who pays for Gemini CLI, judged by how it signs in; no secret is read."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from signedin.accounts.status import AuthMode, AuthStatus, Payer
from signedin.model.errors import AuthRequiredError
from signedin.providers.gemini.account.method import Start, check_signed_in, chosen_method

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


def interpret(basis: AuthStatus, start: Start) -> AuthStatus:
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
