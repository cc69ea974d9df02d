"""What pytest loads in every process of a run, also in the one that only gathers what the others have done."""

from tests.survivors.table import pytest_terminal_summary

__all__ = ["pytest_terminal_summary"]
