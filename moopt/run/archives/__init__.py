"""What a run keeps of all that it evaluated."""
