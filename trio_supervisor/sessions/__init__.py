"""Sessions: talking to interactive programs that are children of a tree."""
