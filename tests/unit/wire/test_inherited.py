"""Variables that no program gets as they are."""

import os

import pytest

from signedin.wire.inherited import as_text, reaching_this_machine

PROXY = "http://proxy.example:3128"
OURS = "127.0.0.1,localhost,::1"


@pytest.mark.parametrize(
    ("inherited", "changed"),
    [
        ({}, {}),
        ({"NO_PROXY": "a.example"}, {}),
        ({"HTTP_PROXY": ""}, {}),
        ({"https_proxy": PROXY}, {"NO_PROXY": OURS, "no_proxy": OURS}),
        (
            {"ALL_PROXY": PROXY, "no_proxy": " a.example , localhost"},
            dict.fromkeys(("NO_PROXY", "no_proxy"), "a.example,localhost,127.0.0.1,::1"),
        ),
        (
            {"HTTP_PROXY": PROXY, "NO_PROXY": "a", "no_proxy": "b"},
            {"NO_PROXY": f"a,{OURS}", "no_proxy": f"b,{OURS}"},
        ),
        ({"HTTP_PROXY": PROXY, "NO_PROXY": "*"}, {"HTTP_PROXY": ""}),
    ],
)
def test_this_machine_is_reached(inherited: dict[str, str], changed: dict[str, str]) -> None:
    assert reaching_this_machine(inherited) == changed


def test_an_environment_is_text() -> None:
    odd = os.fsdecode(b"caf\xe9:/bin")
    assert as_text({"PATH": odd, os.fsdecode(b"\xff"): "1", "É": "é"}) == {
        "PATH": "caf\ufffd:/bin",
        "É": "é",
    }
