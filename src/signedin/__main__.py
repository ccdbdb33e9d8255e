"""``python -m signedin`` is the program ``signedin``."""

from __future__ import annotations

from signedin.cli import main

if __name__ == "__main__":
    main()
