"""The `patter` command."""
