"""What a study says, as a page that needs no network."""
