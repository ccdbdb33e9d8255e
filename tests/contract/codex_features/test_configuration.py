"""Codex's own configuration belongs to its user: nothing that is run changes a byte of it."""

from pathlib import Path

import pytest

from signedin.loopback import WriteFile
from support.stage import Stage

CONFIGURATION = b"""\
# Mine.
model   = "gpt-5.5"      # the usual one
model_reasoning_effort = 'low'\r
[tools]
web_search=false
"""


@pytest.mark.parametrize("transport", ["codex-app-server", "codex-exec"])
async def test_the_users_configuration_stays_as_it_is(
    stage: Stage, binary: Path | None, transport: str, tmp_path: Path
) -> None:
    file = stage.home / "config.toml"
    file.write_bytes(CONFIGURATION)
    stage.play(WriteFile("new.txt", "text\n"), "ok")
    project = tmp_path / "project"
    (project / ".git").mkdir(parents=True)
    async with stage.async_client(transport, binary=binary) as client:
        for trust in (False, True):
            async with client.session(cwd=project, trust_project=trust) as session:
                await session.run("one", permissions="workspace-write", effort="high")
                result = await session.run("two", permissions="full-access", model="gpt-5.4")
                if transport == "codex-app-server":
                    await session.compact().result()
                    await session.rename("named")
            await client.run("on", cwd=project, resume=result.session_id, trust_project=trust)
        await client.auth_status()
    assert file.read_bytes() == CONFIGURATION
