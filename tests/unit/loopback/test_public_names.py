"""The names the package offers."""

import importlib

import pytest

import signedin.loopback


def test_every_public_name_is_there():
    for name in signedin.loopback.__all__:
        assert getattr(signedin.loopback, name).__name__ == name
    assert signedin.loopback.__all__ == sorted(signedin.loopback.__all__)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match=r"module 'signedin.loopback' has no attribute 'nope'"):
        _ = signedin.loopback.nope


def test_a_name_is_imported_once():
    package = importlib.reload(signedin.loopback)
    vars(package).pop("Script", None)
    assert package.Script is package.Script
    assert "Script" in vars(package)
