"""`EditFile` of a part of a line, by agents whose tools differ."""

from pathlib import Path

import pytest

from signedin import Client
from signedin.loopback import EditFile, LoopbackModel, ReadFile

BEFORE = "def total(n):\n    return n + 1\n\n\nlast = 2"


@pytest.mark.parametrize("provider", ["codex", "claude"])
@pytest.mark.parametrize(
    ("old", "new", "after"),
    [
        ("n + 1", "n", BEFORE.replace("n + 1", "n")),
        ("(n):\n    return", "(m):\n    return", BEFORE.replace("(n)", "(m)")),
        ("    return n + 1\n", "    return 0\n", BEFORE.replace("n + 1", "0")),
        ("2", "3", BEFORE.replace("2", "3")),
    ],
    ids=["within a line", "over two", "a line", "the end"],
)
def test_a_part_of_a_line_is_replaced(
    provider: str, old: str, new: str, after: str, tmp_path: Path
) -> None:
    file = tmp_path / 'tötal "1".py'
    file.write_text(BEFORE, encoding="utf-8")
    path = str(file) if provider == "claude" else file.name
    script = [ReadFile(str(file)), EditFile(path, old, new), "Fixed."]
    with (
        LoopbackModel(script) as model,
        Client(
            provider,
            cwd=tmp_path,
            permissions="workspace-write",
            **model.client_options(provider),
        ) as client,
    ):
        assert client.run("Fix it").text == "Fixed."
    assert file.read_text(encoding="utf-8").removesuffix("\n") == after
