"""What is loaded before anybody is asked."""

import subprocess
import sys

PROGRAM = """
import sys
from signedin import Client
from signedin.providers.chatgpt import ChatGPTTransport
Client("chatgpt")
heavy = {"aiohttp", "httpx2", "cryptography", "sqlite3", "pydantic"}
print(sorted(heavy & sys.modules.keys()))
"""


def test_no_http_client_is_loaded_until_it_is_used():
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
