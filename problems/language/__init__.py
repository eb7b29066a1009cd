"""Language models under several rewards."""
