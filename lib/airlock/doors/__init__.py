"""The two doors and what surrounds them, one file per verb."""
