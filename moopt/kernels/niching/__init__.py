"""Points in groups, such as those nearest to one reference direction."""
