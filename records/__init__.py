"""What became of every contact: interactions, segments, legs, handlings and service records, from the facts alone."""
