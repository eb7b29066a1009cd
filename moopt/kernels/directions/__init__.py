"""What is near what among many directions."""
