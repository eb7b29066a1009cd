"""Sequential decisions."""
