"""``signedin replay`` before it plays."""

import pytest

from signedin.cli.app import run_program


@pytest.mark.parametrize("speed", ["-1", "nan"])
def test_a_speed_that_is_none(speed: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert run_program(["replay", "run.jsonl", "--speed", speed]) == 2
    said = capfd.readouterr().err
    assert said.startswith(f"error: --speed must be a number from 0, not {speed}\n")
