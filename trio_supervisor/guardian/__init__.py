"""The guardian: a small process that outlives the supervisor and leaves nothing of it behind."""
