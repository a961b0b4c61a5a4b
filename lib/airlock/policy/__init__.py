"""What must happen to a dataset: the policy's model, its file form, and output formats as data."""
