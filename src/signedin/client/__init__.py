"""Clients, sessions and turns: the way of a prompt down to its provider."""
