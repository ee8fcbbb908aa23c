"""The databases, the log, the bus and the settings: one of the plugs into acd's ports (design.md §2, floor 2)."""
