"""Several providers behind the contract of one: when a plan is used up, another continues."""
