"""What an agent may do, whoever its vendor."""
