"""The ``codex-app-server`` transport."""
