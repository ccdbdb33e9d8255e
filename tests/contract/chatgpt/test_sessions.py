"""Conversations with ChatGPT that others change, archive or damage, and turns that are undone."""

import sqlite3
from pathlib import Path

import pytest

from signedin import (
    Client,
    ErrorKind,
    InvalidOptionError,
    SignedinError,
    TurnFailedError,
    UnsupportedOptionError,
)
from signedin.loopback import Incomplete, Reply, Script, Text
from support.turns import failed


def stored(stage):
    return Path(stage.options["provider_options"]["sessions"], "sessions.db")


def prompts_of(request):
    items = request.body["input"]
    return [item["content"][0]["text"] for item in items if item.get("role") == "user"]


def change(stage, statement, *values):
    database = sqlite3.connect(stored(stage))
    with database:
        database.execute(statement, values)
    database.close()


def test_a_session_sees_what_another_one_added(stage, client, tmp_path):
    stage.play(Script(default=Text.echo()))
    with client.session(cwd=tmp_path) as session:
        session.run("one")
        with Client("chatgpt", **stage.options) as other:
            other.run("two", resume=session.id, cwd=tmp_path)
        assert [turn.prompt for turn in session.history()] == ["one", "two"]
        session.run("three")
    assert prompts_of(stage.requests[-1]) == ["one", "two", "three"]


def test_a_fork_that_is_ephemeral_is_not_written(stage, client, tmp_path):
    stage.play(Script(default=Text.echo()))
    first = client.run("first", cwd=tmp_path).session_id
    with client.session(resume=first, fork=True, ephemeral=True, cwd=tmp_path) as copy:
        copy.run("secret plan")
        assert prompts_of(stage.requests[-1]) == ["first", "secret plan"]
        assert copy.id != first
    with client.session(resume=first, ephemeral=True, cwd=tmp_path) as again:
        again.run("secret too")
    assert [info.id for info in client.sessions(cwd=tmp_path).sessions] == [first]
    assert [turn.prompt for turn in client.session(resume=first).history()] == ["first"]
    assert b"secret" not in stored(stage).read_bytes()


def test_what_is_put_away_goes_on_only_when_it_is_brought_back(stage, client, tmp_path):
    stage.play(Script(default=Text.echo()))
    with client.session(cwd=tmp_path) as session:
        session.run("one")
        session.archive()
        for go_on in (session.run, lambda text: client.run(text, resume=session.id)):
            with pytest.raises(InvalidOptionError, match=r"is archived; unarchive it first"):
                go_on("two")
        assert [turn.prompt for turn in session.history()] == ["one"]
        session.unarchive()
        assert session.run("two").text == "two"


def test_an_answer_that_is_too_long_or_filtered_has_one_kind_each(stage, client):
    for reason, kind in (
        ("max_output_tokens", ErrorKind.OUTPUT_LIMIT),
        ("content_filter", ErrorKind.REFUSED),
    ):
        stage.play(Reply("partial", ending=Incomplete(reason)))
        _, error = failed(client.stream("go"), TurnFailedError)
        assert (error.kind, error.transient) == (kind, False)


def test_a_damaged_turn_is_named_and_the_rest_is_listed(stage, client, tmp_path):
    stage.play(Script(default=Text.echo()))
    first, second = (client.run(text, cwd=tmp_path).session_id for text in ("one", "two"))
    change(stage, "UPDATE turns SET turn = ? WHERE session = ?", b'{"id":', first)
    change(stage, "UPDATE sessions SET created_at = 'soon' WHERE id = ?", first)
    listed = {info.id: info for info in client.sessions(cwd=tmp_path).sessions}
    assert set(listed) == {first, second}
    assert (listed[first].preview, listed[first].created_at) == ("one", None)
    with client.session(resume=first, cwd=tmp_path) as session:
        with pytest.raises(SignedinError, match=f"session {first} in .* is damaged") as raised:
            session.run("again")
        assert "sessions delete --provider chatgpt" in raised.value.message
        session.delete()
    assert [info.id for info in client.sessions(cwd=tmp_path).sessions] == [second]
    assert client.session(resume=second).history()[0].prompt == "two"


def test_a_file_of_a_newer_version_is_left_alone(stage, client, tmp_path):
    stage.play(Script(default=Text.echo()))
    client.run("one", cwd=tmp_path)
    change(stage, "PRAGMA user_version = 99")
    try:
        before = stored(stage).read_bytes()
        for ask in (client.sessions, lambda: client.run("two")):
            with pytest.raises(SignedinError, match=r"written by a newer signedin \(form 99"):
                ask()
        assert stored(stage).read_bytes() == before
    finally:
        change(stage, "PRAGMA user_version = 1")


@pytest.mark.parametrize(
    ("word", "prompts"),
    [
        ("ärger", ["Ärger im Büro"]),
        ("BÜRO ÄRGER", ["Ärger im Büro"]),
        ("Привет", ["Привет, мир"]),
        ("мИР", ["Привет, мир"]),
        ("мир Büro", []),
    ],
)
def test_a_word_is_found_whatever_its_case(stage, client, tmp_path, word, prompts):
    stage.play(Script(default="Yes"))
    for prompt in ("Привет, мир", "Ärger im Büro"):
        client.run(prompt, cwd=tmp_path)
    page = client.sessions(cwd=tmp_path, search=word)
    assert [info.preview for info in page.sessions] == prompts


def test_looking_makes_no_folder(stage, tmp_path):
    folder = tmp_path / "none"
    options = {**stage.options["provider_options"], "sessions": str(folder)}
    with Client("chatgpt", **{**stage.options, "provider_options": options}) as client:
        assert client.sessions().sessions == ()
        with pytest.raises(InvalidOptionError, match="no stored session"):
            client.run("hi", resume="a1b2")
    assert not folder.exists()


def test_a_folder_of_the_users_stays_as_it_is(stage, tmp_path):
    folder = tmp_path / "project"
    folder.mkdir()
    folder.chmod(0o775)
    options = {**stage.options["provider_options"], "sessions": str(folder)}
    stage.play("Hello")
    with Client("chatgpt", **{**stage.options, "provider_options": options}) as client:
        client.run("Hi")
        assert len(client.sessions().sessions) == 1
    assert folder.stat().st_mode & 0o777 == 0o775
    assert (folder / "sessions.db").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("given", [{"binary": "/bin/true"}, {"env_policy": "inherit"}])
def test_a_program_is_refused_by_name(given):
    [name] = given
    with pytest.raises(UnsupportedOptionError, match=f"does not support '{name}': there is no pro"):
        Client("chatgpt", **given)
