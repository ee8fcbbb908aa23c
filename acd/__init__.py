"""The dispatcher: a pure core that decides, and a runtime that makes its decisions durable."""
