"""A command that Codex refuses at once is reported like any other, by whichever door."""

from pathlib import Path

from signedin import CommandEvent, RunResult
from signedin.loopback import Shell
from support.stage import Stage

READ_ONLY = "touch: cannot touch '{}': Read-only file system\n"
FORBIDDEN = (
    "`/bin/bash -c 'forbidme now'` rejected: policy forbids commands starting with `forbidme`"
)


def play(stage: Stage, tmp_path: Path) -> None:
    rules = stage.home / "rules" / "default.rules"
    rules.parent.mkdir(exist_ok=True)
    rules.write_text('prefix_rule(pattern=["forbidme"], decision="forbidden")\n')
    stage.play(
        Shell(f"touch {tmp_path / 'x'}"), Shell("echo fine"), Shell("forbidme now"), "The end."
    )


def commands(result: RunResult[None]) -> list[tuple[str, str, int | None, str]]:
    """How each command ended; now and then Codex does tell of one that it refuses."""
    events = [event for event in result.events if isinstance(event, CommandEvent)]
    ends = [event for event in events if event.status not in ("started", "output")]
    assert {event.item_id for event in events if event.status == "started"} == {
        event.item_id for event in ends
    }
    return sorted(
        (
            event.command.removeprefix("/bin/bash -c ").strip("'"),
            event.status,
            event.exit_code,
            event.output,
        )
        for event in ends
    )


def expected(tmp_path: Path) -> list[tuple[str, str, int | None, str]]:
    file = tmp_path / "x"
    return [
        ("echo fine", "completed", 0, "fine\n"),
        ("forbidme now", "declined", None, FORBIDDEN),
        (f"touch {file}", "failed", 1, READ_ONLY.format(file)),
    ]


async def test_a_refused_command_is_told(stage: Stage, binary: Path | None, tmp_path: Path) -> None:
    play(stage, tmp_path)
    async with stage.async_client(binary=binary) as client:
        first = await client.run("go", cwd=tmp_path)
    assert commands(first) == expected(tmp_path)
    async with stage.async_client(binary=binary) as client:
        resumed = await client.run("go", cwd=tmp_path, resume=first.session_id)
        assert commands(resumed) == expected(tmp_path)
        async with client.session(cwd=tmp_path, resume=first.session_id, fork=True) as fork:
            forked = await fork.run("go")
        assert commands(forked) == expected(tmp_path)
        alone = await client.run("go", cwd=tmp_path, ephemeral=True)
        assert commands(alone) == expected(tmp_path)


async def test_it_is_told_when_it_is_refused(
    stage: Stage, binary: Path | None, tmp_path: Path
) -> None:
    play(stage, tmp_path)
    async with stage.async_client("codex-app-server", binary=binary) as client:
        result = await client.run("go", cwd=tmp_path)
    ends = [event for event in result.events if isinstance(event, CommandEvent) if event.output]
    assert [event.status for event in ends] == ["failed", "completed", "declined"]
    assert not any("raw" in getattr(event, "name", "") for event in result.events)
