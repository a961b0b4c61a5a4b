"""Policy times schema: column programs, splits, contracts, explain."""
