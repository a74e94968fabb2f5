"""One pass over support and query, evaluated by every method. Floor 3."""
