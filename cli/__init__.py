"""The ``shiftforge`` command."""
