"""Plug-ins for other programs, each with its own extra."""
