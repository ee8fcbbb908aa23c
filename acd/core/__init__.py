"""The pure core: no clock, no chance, no input or output.

Time and every id from outside arrive in inputs; ids made inside are counted from the state, so that the same facts
always give the same state, byte for byte (design.md §4, I6).
"""
