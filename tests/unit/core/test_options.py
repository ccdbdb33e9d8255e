"""Options are checked where they are given, and add up the same everywhere."""

from pathlib import Path

import pytest

from signedin import InvalidOptionError
from signedin.options import TurnOptions, check_keywords, merge_keywords, resolve


def test_defaults(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    options = resolve({}, {})
    assert options == TurnOptions(cwd=tmp_path)
    assert (options.permissions, options.model, options.timeout) == ("read-only", None, None)


def test_the_nearer_one_counts_and_mappings_add_up(tmp_path: Path) -> None:
    defaults = check_keywords(
        {
            "model": "a",
            "effort": "low",
            "cwd": tmp_path,
            "env": {"A": "1", "B": "1"},
            "provider_options": {"x": 1, "y": 1},
        }
    )
    keywords = check_keywords(
        {"model": "b", "env": {"B": None}, "provider_options": {"y": 2}, "images": ["i.png"]}
    )
    assert resolve(defaults, keywords) == TurnOptions(
        cwd=tmp_path,
        model="b",
        effort="low",
        env={"A": "1", "B": None},
        provider_options={"x": 1, "y": 2},
        images=("i.png",),
    )
    assert defaults["env"] == {"A": "1", "B": "1"}


def test_none_takes_a_default_back(tmp_path: Path) -> None:
    defaults = check_keywords({"timeout": 5, "cwd": tmp_path, "model": "a"})
    options = resolve(defaults, check_keywords({"timeout": None, "cwd": None, "model": None}))
    assert (options.timeout, options.model, options.cwd) == (None, None, Path.cwd())


def test_merging_in_steps_is_merging_at_once() -> None:
    one = check_keywords({"env": {"A": "1"}, "model": "a"})
    two = check_keywords({"env": {"B": "2"}})
    three = check_keywords({"env": {"A": "3"}, "model": "c"})
    assert resolve(merge_keywords(one, two), three) == resolve(one, merge_keywords(two, three))


def test_paths_are_resolved_when_they_are_given(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "one" / "sub").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "one")
    given = check_keywords({"cwd": "sub"})
    monkeypatch.chdir(tmp_path)
    assert resolve(given, {}).cwd == tmp_path / "one" / "sub"


def test_a_symlink_keeps_its_name(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    assert check_keywords({"cwd": tmp_path / "link"})["cwd"] == tmp_path / "link"


def test_home_is_expanded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert check_keywords({"cwd": "~"})["cwd"] == tmp_path


@pytest.mark.parametrize(
    ("keywords", "complaint"),
    [
        ({"modle": "x"}, "unknown option 'modle'; known options: .*model"),
        ({"timeout": 0}, "timeout must be a positive number of seconds, not 0"),
        ({"timeout": -1.5}, "timeout must be a positive number of seconds, not -1.5"),
        ({"timeout": True}, "timeout must be a positive number of seconds, not True"),
        ({"timeout": "5"}, "timeout must be a positive number of seconds, not '5'"),
        ({"timeout": float("nan")}, "timeout must be a positive number of seconds, not nan"),
        ({"idle_timeout": 0}, "idle_timeout must be a positive number"),
        ({"permissions": "all"}, "permissions must be one of read-only, .*, not 'all'"),
        ({"permissions": None}, "permissions must be one of"),
        ({"model": 5}, "model must be a string, not 5"),
        ({"effort": b"low"}, "effort must be a string"),
        ({"instructions": ["x"]}, "instructions must be a string"),
        ({"cwd": "/nowhere/at/all"}, r"cwd '/nowhere/at/all' does not exist"),
        ({"cwd": __file__}, "is not a directory"),
        ({"output_retries": -1}, "output_retries must be a whole number from 0"),
    ],
)
def test_mistakes(keywords: dict[str, object], complaint: str) -> None:
    with pytest.raises(InvalidOptionError, match=complaint):
        check_keywords(keywords)


def test_what_is_given_is_not_changed() -> None:
    given = {"images": ["a.png"], "cwd": "."}
    check_keywords(given)
    assert given == {"images": ["a.png"], "cwd": "."}
