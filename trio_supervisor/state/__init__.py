"""What a run keeps on the disk, in a directory of its own: who holds the file, and who lives."""
