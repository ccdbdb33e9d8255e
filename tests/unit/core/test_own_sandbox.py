"""What is refused where an agent has a sandbox of its own, before anything is started."""

import pytest

from signedin import Client, UnsupportedOptionError
from signedin.safety.policy import deny

RULE = deny("rm *")
REFUSED = (
    "an agent with a sandbox of its own does not ask for what it may do there, so "
    'deny("rm *") could not answer; '
    "pass permissions='full-access', with which it asks for everything"
)


@pytest.mark.parametrize("permissions", ["read-only", "workspace-write"])
def test_rules_about_what_it_does_not_ask_for(permissions: str) -> None:
    with Client("codex", policy=[RULE]) as client:
        with pytest.raises(UnsupportedOptionError) as caught:
            client.run("Hello", permissions=permissions)
        assert str(caught.value) == f"codex does not support 'policy': {REFUSED}"


def test_several_providers_are_checked_before_one_is_asked() -> None:
    with Client(["claude", "codex"], on_limit="next", policy=[RULE]) as client:
        with pytest.raises(UnsupportedOptionError) as caught:
            client.run("Hello")
        assert str(caught.value) == f"claude,codex does not support 'policy': {REFUSED}"


def test_another_sandbox_than_its_own() -> None:
    with Client("codex", permissions="workspace-write") as client:
        with pytest.raises(UnsupportedOptionError) as caught:
            client.run("Hello", sandbox="off")
        assert str(caught.value) == (
            "codex does not support 'sandbox': its own sandbox follows permissions=, with "
            "'workspace-write' it is 'workspace-write'"
        )
