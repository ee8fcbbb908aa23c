"""Every figure: defined once, computed from facts; boards and reports use the same definition."""
