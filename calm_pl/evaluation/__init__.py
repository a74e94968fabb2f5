"""One pass over support and query, and what every method makes of it. Floor 3."""
