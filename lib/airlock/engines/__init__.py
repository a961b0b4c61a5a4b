"""Run plans over splits: one task, two runners."""
