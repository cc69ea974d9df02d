"""The engine does: one task owns one machine, obeys its commands and feeds it facts."""
