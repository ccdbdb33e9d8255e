"""A scripted model in place of ChatGPT, named by a variable."""

import pytest

from signedin import AsyncClient, InvalidOptionError

VARIABLE = "SIGNEDIN_CHATGPT_LOOPBACK"


async def test_the_variable_takes_the_place_of_a_login(monkeypatch):
    monkeypatch.setenv(VARIABLE, "http://127.0.0.1:9")
    async with AsyncClient("chatgpt") as client:
        status = await client.auth_status()
    assert (status.authenticated, status.billing, status.decided_by) == (True, "unknown", VARIABLE)


async def test_nothing_is_sent_to_another_host(monkeypatch):
    monkeypatch.setenv(VARIABLE, "http://example.com")
    async with AsyncClient("chatgpt") as client:
        with pytest.raises(InvalidOptionError, match=r"is not sent to http://example\.com"):
            await client.run("Hello")
