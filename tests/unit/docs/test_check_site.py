"""What `make site` refuses."""

import sys
from importlib import import_module
from pathlib import Path

import pytest


@pytest.fixture
def check_site(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[3] / "scripts"))
    yield import_module("check_site")
    del sys.modules["check_site"]


def write(folder, name, text):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def test_a_site_whose_links_hold(check_site, tmp_path):
    write(
        tmp_path, "index.html", '<a href="api/one.html#here">a</a><img src="a.svg"><a href="">b</a>'
    )
    write(
        tmp_path, "api/one.html", '<h1 id="here"><a href="../index.html">a</a><a href="#here">b</a>'
    )
    write(tmp_path, "a.svg", "<svg/>")
    write(tmp_path, "app.css", "a { background: url(a.svg) }")
    assert list(check_site.problems(tmp_path)) == []


def test_requests_to_elsewhere(check_site, tmp_path):
    elsewhere = '<script src="https://a.example/x.js"></script><a href="https://b.example">b</a>'
    write(tmp_path, "index.html", elsewhere + "<style>@import '//c.example/f.css'</style>")
    write(tmp_path, "app.css", "a { background: url('https://d.example/a.png') }")
    assert list(check_site.problems(tmp_path)) == [
        "index.html requests //c.example/f.css",
        "index.html requests https://a.example/x.js",
        "app.css requests https://d.example/a.png",
    ]


def test_links_that_lead_nowhere(check_site, tmp_path):
    write(tmp_path, "index.html", '<a href="two.html">a</a><a href="#gone">b</a><img src="no.png">')
    assert list(check_site.problems(tmp_path)) == [
        "index.html links to two.html, which is not there",
        "index.html links to #gone, which is not there",
        "index.html links to no.png, which is not there",
    ]


def test_a_site_without_pages(check_site, tmp_path):
    assert list(check_site.problems(tmp_path)) == [f"{tmp_path} has no pages"]
