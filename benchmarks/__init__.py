"""What the supervisor costs, side by side with those that people would pick instead: `python -m benchmarks`."""
