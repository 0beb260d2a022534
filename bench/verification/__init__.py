"""How far the project can be trusted, in figures; ``make bench-verification``."""
