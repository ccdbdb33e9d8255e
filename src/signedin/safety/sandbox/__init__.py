"""What an agent can reach, whatever it is allowed: the system refuses the rest."""
