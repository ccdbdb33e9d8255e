"""``python -m signedin`` is ``signedin``."""

from __future__ import annotations

from signedin.cli import main

main()
