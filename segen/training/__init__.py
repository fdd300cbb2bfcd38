"""Training: the loop, and one file for each kind of it."""
