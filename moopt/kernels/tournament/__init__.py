"""Winners of binary tournaments."""
