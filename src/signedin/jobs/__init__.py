"""Work that is more than a turn: batches, copies of a repository, the best of several."""
