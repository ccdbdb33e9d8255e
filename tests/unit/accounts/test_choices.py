"""What a client is asked for about accounts is checked where it is made."""

import pytest

from signedin import AsyncClient, Client, InvalidOptionError


@pytest.mark.parametrize("make", [Client, AsyncClient])
@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (
            {"auth_source": "extrenal"},
            "auth_source must be one of auto, isolated, external, not 'extrenal'",
        ),
        ({"billing": "plan"}, "billing must be one of subscription, api, not 'plan'"),
        ({"env_policy": "all"}, "env_policy must be one of minimal, inherit, not 'all'"),
        (
            {"account": "../other"},
            "account '../other' must consist of letters, digits and . _ @ - (at most 64)",
        ),
        (
            {"account": "work", "auth_source": "external"},
            "account='work' names an isolated login, and auth_source='external' asks for the "
            "vendor's own; give one of them",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused(
    make: type[Client | AsyncClient], options: dict[str, str], complaint: str
) -> None:
    with pytest.raises(InvalidOptionError) as raised:
        make("codex", **options)
    assert str(raised.value) == complaint
