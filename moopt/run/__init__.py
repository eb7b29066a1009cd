"""The loop: what was asked, how far it is, what it found."""
