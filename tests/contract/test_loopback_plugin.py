"""The pytest plugin as a project gets it: from the entry point, cheap until it is used."""

import subprocess
import sys

TESTS = """
import sys
from urllib.request import Request, urlopen


def test_nothing_is_loaded_for_a_test_that_asks_for_nothing():
    loaded = [name for name in sys.modules if name.startswith("signedin")]
    assert sorted(loaded) == [
        "signedin",
        "signedin._lazy",
        "signedin.loopback",
        "signedin.loopback.pytest_plugin",
    ]
    assert not {"asyncio.events", "msgspec", "yaml", "httpx2"} & set(sys.modules)


def test_a_model_answers(loopback_model):
    model = loopback_model("Hello")
    body = b'{"stream": true, "input": "hi"}'
    with urlopen(Request(f"{model.url}/v1/responses", body)) as response:
        assert b'"text":"Hello"' in response.read()
"""


def test_the_plugin_is_there_and_cheap(tmp_path):
    (tmp_path / "test_theirs.py").write_text(TESTS)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:asyncio", "-p", "no:anyio"),
            *("-p", "no:hypothesispytest", "-p", "no:pytest_cov", "-p", "no:timeout"),
            *("-p", "no:logfire", "-p", "no:pytest_logfire", "-W", "error", "test_theirs.py"),
        ],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout
