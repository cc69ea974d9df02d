"""The command line: a front end that knows only control and wiring."""
