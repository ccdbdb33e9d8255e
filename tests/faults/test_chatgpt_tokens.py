"""A ChatGPT login that has ended, in eight programs at once."""

import subprocess
import sys

import pytest

from signedin.loopback import LoopbackIssuer
from support import chatgpt_refreshing
from support.chatgpt_account import SignedInUser

PROCESSES = 8


def start(url: str, account: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(chatgpt_refreshing.__file__), url, account],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.timeout(300)
async def test_eight_programs_refresh_a_login_once() -> None:
    with LoopbackIssuer() as issuer:
        user = SignedInUser(issuer, "race")
        await user.sign_in()
        old = await user.age()
        processes = [start(issuer.url, "race") for _ in range(PROCESSES)]
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        ended = [process.communicate() for process in processes]
        assert [error for _, error in ended] == [""] * PROCESSES
        stored = await user.stored()
        assert stored.access_token != old.access_token
        fresh = chatgpt_refreshing.fingerprint(stored.access_token)
        got = [line for output, _ in ended for line in output.split()]
        assert got == [fresh] * PROCESSES * chatgpt_refreshing.TASKS
        assert user.token_requests("refresh_token") == 1
        assert issuer.is_good(stored.access_token)
        await user.auth.logout()
