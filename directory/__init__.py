"""Configuration as data: people, extensions, statuses, media, queues, skills and entry points."""
