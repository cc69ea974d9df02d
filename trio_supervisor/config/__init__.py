"""The configuration file: `load` makes specs of it, `schema` describes it to editors, `template` is one to begin with."""

from trio_supervisor.config.load import Loaded, load
from trio_supervisor.config.schema import schema
from trio_supervisor.config.template import template

__all__ = ["Loaded", "load", "schema", "template"]
