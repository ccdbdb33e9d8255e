"""Signing in to ChatGPT, and the login that comes of it."""
