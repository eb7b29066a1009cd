"""Expected hypervolume contributions, and truncation by them."""
