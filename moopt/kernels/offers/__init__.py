"""What subproblems gain from points that are offered to them."""
