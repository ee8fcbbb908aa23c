"""The sound of every contact: taken from Asterisk, checked, kept encrypted, found, heard, and erased in time."""
