"""What a set of bounded size keeps."""
