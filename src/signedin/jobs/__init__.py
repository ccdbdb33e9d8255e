"""What lies between turns: what they have cost."""
