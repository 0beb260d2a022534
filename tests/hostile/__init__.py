"""Hostile input: generators of it, and judges of what a part of the project makes of it."""
