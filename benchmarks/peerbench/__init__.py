"""Contestants, the service that each is told to run, and one bounded run of one of them."""
