"""What the runs of a study say, and how sure that is."""
