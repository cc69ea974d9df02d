"""The wire form: how snapshots, events, lines, commands and errors look in HTTP and JSON. Nobody else knows it."""
