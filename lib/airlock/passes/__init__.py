"""What needs more than one row: summaries that merge."""
