"""Clients, sessions and turns: the path of a prompt down to its provider."""
