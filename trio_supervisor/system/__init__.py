"""What the operating system tells and does, by the standard library alone: the guardian loads nothing else."""
