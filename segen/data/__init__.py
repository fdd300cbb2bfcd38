"""Datasets: what goes into the networks, in both halves of the course."""
