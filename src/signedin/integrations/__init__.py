"""Plug-ins for other programs, each behind an extra of its own."""
