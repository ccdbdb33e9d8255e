"""What is kept of a request."""

import pytest

from signedin.loopback import ModelRequest
from signedin.loopback.request import Concealed


def request(headers=None, path="/v1/responses"):
    concealed = Concealed.of(headers or {}, path)
    return ModelRequest(
        number=3,
        received_at=1.0,
        method="POST",
        path=concealed.path,
        headers=concealed.headers,
        body={},
        digests=concealed.digests,
    )


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("authorization", "Bearer sk-planted", "Bearer [masked:"),
        ("x-api-key", "sk-planted", "[masked:"),
        ("x-goog-api-key", "sk-planted", "[masked:"),
        ("cookie", "session=sk-planted", "[masked:"),
    ],
)
def test_secrets_in_headers_are_masked(name, value, kept):
    seen = request({name: value, "user-agent": "agent 1"})
    assert seen.headers[name].startswith(kept)
    assert seen.headers["user-agent"] == "agent 1"
    assert "planted" not in repr(seen) + str(seen.headers)


def test_two_secrets_can_be_told_apart():
    one, same, other = (request({"x-api-key": key}).headers for key in ("a", "a", "b"))
    assert one == same != other


def test_a_planted_key_is_recognised_wherever_it_came():
    assert request({"authorization": "Bearer sk-planted"}).credential_is("sk-planted")
    assert request({"x-api-key": "sk-planted"}).credential_is("sk-planted")
    assert request({"x-unheard-of": "sk-planted"}).credential_is("sk-planted")
    assert request(path="/v1/models?key=sk-planted").credential_is("sk-planted")


def test_another_key_is_not_recognised():
    seen = request({"authorization": "Bearer sk-planted"}, "/v1/models?key=other")
    assert not seen.credential_is("sk-plante")
    assert not seen.credential_is("Bearer")
    assert not seen.credential_is("")
    assert not request().credential_is("")


def test_secrets_in_the_query_are_masked_and_the_rest_is_kept():
    path = request(path="/v1/models?key=sk-planted&alt=sse&empty=").path
    assert path.startswith("/v1/models?key=[masked:")
    assert path.endswith("]&alt=sse&empty=")
    assert request(path="/a?b=c%20d").path == "/a?b=c%20d"
