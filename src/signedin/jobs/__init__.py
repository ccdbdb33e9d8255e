"""Work that is more than a turn: changes in copies of a repository, the best of several."""
