"""One page about a build: what it is, how large, how fast, why, and what it was checked by."""
