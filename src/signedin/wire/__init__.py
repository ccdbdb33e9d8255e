"""Bytes and messages: child processes, JSON lines, JSON-RPC.

Nothing here knows what an agent is.
"""
