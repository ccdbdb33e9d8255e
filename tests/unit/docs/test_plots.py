"""The plots are those of the figures that are published."""

import json
import sys
from importlib import import_module
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

ROOT = Path(__file__).parents[3]


@pytest.fixture
def plots(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    yield import_module("benchmarks.plots")
    del sys.modules["benchmarks.plots"], sys.modules["benchmarks"]


def test_the_page_shows_what_is_published(plots):
    documents = plots.documents(json.loads(plots.PUBLISHED.read_text(encoding="utf-8")))
    outdated = [
        file.name for file, made in documents.items() if file.read_text(encoding="utf-8") != made
    ]
    assert outdated == [], "run: python -m benchmarks.plots"
    drawn = {file.name for file in plots.PICTURES.glob("benchmarks-*")}
    assert drawn == {file.name for file in documents if file != plots.PAGE}
    assert len(drawn) == 4


def test_a_bar_is_the_median_of_the_rounds_and_its_whisker_goes_from_the_least_to_the_most(plots):
    rounds = {"signedin": [1.0, 4.0, 3.0], "gemini": [2.0, 2.0, 2.0]}
    samples = {who: [{"wall": seconds} for seconds in all_] for who, all_ in rounds.items()}
    run = {
        "moment": "2026-01-02-030405",
        "machine": "2 cores",
        "load": {"begin": 0.5, "end": 1.5},
        "quick": True,
        "versions": {"signedin": "1.0"},
        "measurements": {"gemini-cold": {"title": "Cold", "contestants": samples}},
    }
    published = plots.published(run)
    [row] = published["ratios"]
    assert (row["median"], row["least"], row["most"], row["rounds"]) == (1.5, 0.5, 2.0, 3)
    documents = {file.name: made for file, made in plots.documents(published).items()}
    assert sorted(documents) == ["benchmarks-gemini.svg", "benchmarks.md"]
    assert (
        "Measured on 2026-01-02, all in one quick run, on 2 cores; "
        "the load was 0.5 when it began and 1.5 when it ended. signedin 1.0.\n\n"
        "![Gemini. Cold, signedin ÷ gemini: 1.50 (0.50 to 2.00)](pictures/benchmarks-gemini.svg)"
    ) in documents["benchmarks.md"]
    picture = ET.fromstring(documents["benchmarks-gemini.svg"])
    assert [bar.get("width") for bar in picture.iterfind(".//{*}rect[@class='more']")] == ["447.0"]
    assert [line.get("d") for line in picture.iterfind(".//{*}path")] == [
        "M161.0 60H608.0M161.0 56v8M608.0 56v8",
        "M310.0 51v18",
    ]
