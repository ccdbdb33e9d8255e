"""The app-server as a typed client of its own: threads, turns, sign-in and everything else.

Its names are imported from `signedin.providers.codex`.
"""
