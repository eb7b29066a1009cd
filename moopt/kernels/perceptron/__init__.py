"""Many multilayer perceptrons at once."""
