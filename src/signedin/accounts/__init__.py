"""Where logins live and what of the environment an agent gets."""
