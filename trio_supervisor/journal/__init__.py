"""The journal: what has happened to a tree, over all of its runs, in one SQLite file. It never holds up supervision."""
