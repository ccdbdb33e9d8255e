"""The environment of an agent's process, and the secrets that are in it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from functools import cache
from importlib import import_module

from signedin.accounts.variables import Variables
from signedin.model.choices import EnvPolicy
from signedin.model.redact import know, know_headers, know_variables
from signedin.wire.inherited import as_text, reaching_this_machine

_TABLES = {
    "codex": "signedin.providers.codex.account.variables",
    "claude": "signedin.providers.claude.account.variables",
    "gemini": "signedin.providers.gemini.account.variables",
    "others": "signedin.providers.acp.variables",
}

_FLEETING = ("PYTEST_CURRENT_TEST",)
"""Variables that change while a program runs. Agents are distinguished by their environments: with
these, a program's tests would start one each."""


@cache
def vendor_variables() -> Mapping[str, Variables]:
    """Returns the variables of every vendor; ``others`` are those that have no agent of theirs."""
    return {vendor: import_module(table).VARIABLES for vendor, table in _TABLES.items()}


def child_environment(
    vendor: str, policy: EnvPolicy, changes: Mapping[str, str | None]
) -> dict[str, str]:
    """Returns the environment for an agent's process, whose secrets are masked from now on.

    A proxy is not asked for this machine, and what an agent gets is text.

    Args:
        vendor: Whose credentials the agent may see; a key of `vendor_variables`, or empty for a
            program of the user's.
        policy: ``minimal`` leaves out every other vendor's credentials, and the name of the test
            that runs; ``inherit`` leaves out nothing.
        changes: Set on top, whatever the policy; ``None`` removes a variable.
    """
    environment = dict(os.environ)
    learn_secrets(environment)
    if policy == "minimal":
        for name in _FLEETING:
            environment.pop(name, None)
        for owner, variables in vendor_variables().items():
            if owner != vendor:
                for name in variables.credentials:
                    environment.pop(name, None)
    for name, value in changes.items():
        if value is None:
            environment.pop(name, None)
        else:
            environment[name] = value
    learn_secrets(environment)
    environment |= reaching_this_machine(environment)
    return as_text(environment) if vendor else environment


def learn_secrets(environment: Mapping[str, str | None]) -> None:
    """Registers the secrets of an environment to be masked from now on."""
    know_variables(environment)
    for variables in vendor_variables().values():
        know(environment.get(name) for name in variables.values)
        for name in variables.headers:
            know_headers(_headers(environment.get(name) or ""))


def _headers(text: str) -> list[tuple[str, str]]:
    parts = (header.partition(":") for header in re.split(r"[\n,]", text))
    return [(name, value) for name, _, value in parts]
