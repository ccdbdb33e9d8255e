"""How the agents' stores write ids and times."""

import pytest

from signedin import InvalidOptionError
from signedin.providers.shared.stored import checked_id, unix_time


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-01T00:01:00Z", 60.0),
        ("1970-01-01T01:00:00.500+01:00", 0.5),
        ("0001-01-01T00:00:00", None),
        ("yesterday", None),
        ("", None),
        (None, None),
    ],
)
def test_a_time_is_read_or_unknown(text: str | None, seconds: float | None):
    assert unix_time(text) == seconds


def test_an_id_is_one_or_refused():
    session_id = "0199a213-81c0-7800-8aa1-bbab2a035a53"
    assert checked_id(session_id) == session_id
    with pytest.raises(InvalidOptionError) as refused:
        checked_id("latest")
    assert refused.value.message == (
        "resume='latest' is not a session id; take it from result.session_id"
    )
