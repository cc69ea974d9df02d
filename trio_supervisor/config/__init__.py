"""The configuration file: what it makes of specs, its schema for editors, a template to begin with."""

from trio_supervisor.config.load import Loaded, load
from trio_supervisor.config.schema import schema
from trio_supervisor.config.template import template

__all__ = ["Loaded", "load", "schema", "template"]
