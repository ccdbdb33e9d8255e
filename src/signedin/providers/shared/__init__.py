"""What several providers use."""
