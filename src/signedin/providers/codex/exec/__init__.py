"""The ``codex-exec`` transport."""
