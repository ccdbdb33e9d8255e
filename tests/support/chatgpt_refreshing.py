"""Uses a ChatGPT login in five tasks, as a program of its own: URL ACCOUNT.

It says that it is ready, begins on request, and says which token it got, as a hash.
"""

import asyncio
import hashlib
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from signedin.providers.chatgpt.sign_in.settings import sign_in_settings
from signedin.providers.chatgpt.sign_in.stored_login import StoredLogin
from support.chatgpt_account import profile_at

TASKS = 5


def fingerprint(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


async def _main() -> None:
    url, account = sys.argv[1:]
    stored_login = StoredLogin(account, sign_in_settings({"profile": profile_at(url)}))
    print("ready", flush=True)
    sys.stdin.readline()
    for access in await asyncio.gather(*(stored_login.current() for _ in range(TASKS))):
        print(fingerprint(access.token))


if __name__ == "__main__":
    asyncio.run(_main())
