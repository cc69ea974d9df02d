"""The core decides. It is pure: no Trio, no clock, no randomness, no files, no logging; time and random draws come in
as arguments.
"""
