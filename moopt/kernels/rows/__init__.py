"""Rows by number from tensors in parts."""
