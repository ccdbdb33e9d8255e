"""Types and JSON Schemas: Python's shapes described to a model, and its answers read back."""
