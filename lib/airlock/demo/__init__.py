"""Generated data for the demo, tests and measurements."""
