"""A scripted model in place of ChatGPT, named by a variable."""

import pytest

from signedin import AsyncClient, InvalidOptionError

VARIABLE = "SIGNEDIN_CHATGPT_LOOPBACK"


async def test_the_variable_takes_the_place_of_a_login(monkeypatch):
    monkeypatch.setenv(VARIABLE, "http://127.0.0.1:9")
    async with AsyncClient("chatgpt") as client:
        status = await client.auth_status()
    assert (status.authenticated, status.billing, status.decided_by) == (True, "unknown", VARIABLE)


@pytest.mark.parametrize("url", ["http://example.com", "https://example.com", "127.0.0.1:9"])
async def test_nothing_is_sent_to_another_host(monkeypatch, url):
    monkeypatch.setenv(VARIABLE, url)
    async with AsyncClient("chatgpt") as client:
        with pytest.raises(
            InvalidOptionError, match=f"{VARIABLE}={url} must be an address of this mach"
        ):
            await client.run("Hello")
