"""What is sent for a prompt that mentions files, and which paths complete a mention."""

from pathlib import Path

import pytest

from signedin.cli.errors import UsageError
from signedin.cli.interactive.completing import best_paths
from signedin.cli.interactive.mentions import Message, mention, message_of
from signedin.model.capabilities import Capabilities

PNG = b"\x89PNG\r\n\x1a\n" + bytes(16)
AGENT = Capabilities(workspace=True, images=True)
MODEL = Capabilities(images=True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    work = tmp_path / "work"
    (work / "src").mkdir(parents=True)
    (work / "src/main.py").write_text("print()\n")
    (work / "two words.txt").write_text("two\n")
    (work / "pic.png").write_bytes(PNG)
    (work / "data.bin").write_bytes(b"a\0b")
    (work / "latin.txt").write_bytes(b"\xe9")
    (work / "large.txt").write_text("x" * 100_001)
    (tmp_path / "secret.txt").write_text("secret\n")
    return work


def test_an_agent_reads_files_itself(folder: Path):
    prompt = 'Compare @src/main.py, @"two words.txt" and @data.bin. Ask me@src/main.py and @nobody.'
    assert message_of(prompt, folder, AGENT) == Message(text=prompt)


def test_for_others_the_text_is_added_once(folder: Path):
    prompt = 'Compare @src/main.py, @"two words.txt" (@src/main.py!) and @nobody.'
    assert message_of(prompt, folder, MODEL).text == (
        f'{prompt}\n\n<file path="src/main.py">\nprint()\n\n</file>'
        '\n\n<file path="two words.txt">\ntwo\n\n</file>'
    )


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("data.bin", "data.bin is not text, and this provider reads no files"),
        ("latin.txt", "latin.txt is not text, and this provider reads no files"),
        ("large.txt", "large.txt is larger than 100,000 bytes, the most of a mention"),
        ("../secret.txt", "../secret.txt is outside of {folder}; /cwd goes to another folder"),
        ("link", "link is outside of {folder}; /cwd goes to another folder"),
    ],
)
def test_what_cannot_be_added_is_refused_by_name(folder: Path, name: str, why: str):
    (folder / "link").symlink_to(folder.parent / "secret.txt")
    with pytest.raises(UsageError) as error:
        message_of(f"Read @{name}", folder, MODEL)
    assert error.value.message == why.format(folder=folder)


def test_an_image_is_shown_to_the_model(folder: Path):
    picture = folder / "pic.png"
    for capabilities in (AGENT, MODEL):
        message = message_of(f'See @pic.png and @"{picture}".', folder, capabilities)
        assert message.images == (picture, picture)
        assert message.text == f'See @pic.png and @"{picture}".'


def test_a_provider_without_images_is_named_none(folder: Path):
    assert message_of("See @pic.png", folder, Capabilities(workspace=True)) == Message(
        text="See @pic.png",
        remarks=("pic.png is not attached: this provider takes no images.",),
    )


def test_a_long_word_is_no_path(folder: Path):
    prompt = "@" + "x" * 100_000 + " @~nobody @\0"
    assert message_of(prompt, folder, MODEL) == Message(text=prompt)


def test_the_best_path_comes_first():
    paths = ["docs/domain.md", "src/a/main_loop.py", "src/main.py", "main/x", "m/a/i/n.py", "other"]
    assert best_paths(paths, "Main") == [
        "main/x",
        "src/main.py",
        "src/a/main_loop.py",
        "docs/domain.md",
        "m/a/i/n.py",
    ]
    assert best_paths(map(str, range(1000)), "") == [
        str(number) for number in sorted(range(50), key=lambda n: (len(str(n)), str(n)))
    ]


def test_a_path_with_spaces_is_quoted():
    assert [mention("a.py"), mention("a b.py")] == ["@a.py", '@"a b.py"']
