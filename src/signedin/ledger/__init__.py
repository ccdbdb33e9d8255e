"""What turns have used: `writer` takes those of a client, `report` adds them up."""
