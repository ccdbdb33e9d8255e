"""Ways for other programs to call the agents; each translates and decides nothing."""
