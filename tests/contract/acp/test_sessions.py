"""What agents keep and offer: stored sessions, their turns, copies of them, and models."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from signedin import Client, InvalidOptionError, UnsupportedOptionError
from signedin.accounts import status
from signedin.loopback import Text
from support.stage import Stage
from support.turns import checked


def test_models_are_listed_and_the_one_in_use_is_marked(client: Client, driver) -> None:
    models = client.models()
    assert len(models) > 1
    assert [model.id for model in models if model.default] == [driver.model]
    assert all(model.name for model in models)


def test_models_are_listed_for_two_at_the_same_time(client: Client) -> None:
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: client.models(), "ab")
    assert len(first) > 1
    assert second == first


def test_asking_for_models_stores_nothing(client: Client, work: Path) -> None:
    before = client.sessions(cwd=work).sessions
    client.models()
    assert client.sessions(cwd=work).sessions == before


def test_who_is_signed_in_is_asked(
    client: Client, driver, binary: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(status, "STATUS_SECONDS", 60.0)  # opencode takes six seconds of a processor
    assert client.available()
    with Client(driver.provider, binary=binary, env={"HOME": str(tmp_path)}) as stranger:
        assert not stranger.available()


def test_a_model_can_be_chosen(client: Client, driver, stage: Stage, work: Path) -> None:
    # "auto" would have another model choose first; opencode's own are on the internet.
    usable = [m for m in client.models() if m.id != "auto" and not m.id.startswith("opencode/")]
    other = next((model.id for model in usable if not model.default), usable[0].id)
    stage.play("Hello.")
    if driver.agent == "qwen":  # its other one needs another login
        with pytest.raises(InvalidOptionError, match=r"refused model='coder-model\(qwen-oauth\)'"):
            client.run("Hi", cwd=work, model=other)
        return
    result = checked(client.run("Hi", cwd=work, model=other))
    assert result.text == "Hello."
    assert stage.requests[0].model == other.removeprefix("loopback/")


def test_stored_sessions_are_listed_and_told_again(
    client: Client, stage: Stage, work: Path
) -> None:
    stage.play(Text.echo("You said: {prompt}"))
    with client.session(cwd=work) as session:
        session.run("one")
        session.run("two")
        past = session.history()
    assert [(turn.prompt, turn.text) for turn in past] == [
        ("one", "You said: one"),
        ("two", "You said: two"),
    ]
    stored = client.sessions(cwd=work).sessions
    assert session.id in {info.id for info in stored}
    assert {info.cwd for info in stored} == {str(work)}


def test_a_session_is_copied(client: Client, driver, stage: Stage, work: Path) -> None:
    stage.play(Text.echo("You said: {prompt}"))
    with client.session(cwd=work) as session:
        session.run("one")
        if driver.agent != "opencode":
            with pytest.raises(UnsupportedOptionError, match="'fork'"):
                session.fork()
            return
        with session.fork() as copy:
            assert checked(copy.run("two")).text == "You said: two"
            assert "You said: one" in str(stage.requests[-1].body)
        assert copy.id != session.id
        session.run("three")
        assert "You said: two" not in str(stage.requests[-1].body)
