"""Turns the JSON Schema of the Codex app-server into Python types."""
