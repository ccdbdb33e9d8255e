"""Signing in to ChatGPT, and the login that results."""
