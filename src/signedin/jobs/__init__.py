"""Work of many turns: batches that survive."""
