"""The bugs contact centers really had (reference/performance-reliability.md §4.2), each by its number: how often it was
tried here, how often it failed. The tests are tests/shapes/test_z_*.py, the long ones too."""

from __future__ import annotations

from tests.shapes import z_table
from tools.figures import Row


def proof() -> list[Row]:
    """A row for each number."""
    return [
        Row(f"{number}: {words}", failures, f"of {tried}", "0 failures", failures == 0 and tried > 0)
        for number, words, tried, failures in z_table.rows()
    ]
