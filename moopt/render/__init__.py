"""Pictures: fronts, trajectories, films."""
