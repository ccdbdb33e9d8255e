"""Types and JSON Schemas: how Python's shapes are told to a model and its answers read back."""
