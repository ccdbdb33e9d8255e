"""Which login Codex uses, and signing in."""
