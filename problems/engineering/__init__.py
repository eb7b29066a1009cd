"""Designs of machines and structures."""
