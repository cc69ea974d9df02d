"""The configuration file: what it makes of specs, its schema for editors, a template to begin with."""
