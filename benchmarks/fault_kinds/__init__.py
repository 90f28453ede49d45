"""The faults, by what goes wrong."""
