"""Agents as models of pydantic-ai, and its ChatGPT providers with the login of signedin.

See docs/integrations/pydantic-ai.md.
"""

from typing import TYPE_CHECKING

from signedin._lazy import attach
from signedin.model.extras import from_extra

if TYPE_CHECKING:
    from signedin.integrations.pydantic_ai.login import signedin_openai
    from signedin.integrations.pydantic_ai.model import SignedInModel

__all__ = ["SignedInModel", "signedin_openai"]

_HOMES = {".login": "signedin_openai", ".model": "SignedInModel"}

if not TYPE_CHECKING:  # or a type checker would take every misspelt name for granted
    _, _load = attach(__name__, _HOMES)

    def __getattr__(name: str) -> object:
        with from_extra("pydantic-ai", "the pydantic-ai plug-in"):
            return _load(name)
