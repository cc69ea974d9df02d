"""The library for programs that embed a tree: short specs, a supervisor to open, handles for children."""
