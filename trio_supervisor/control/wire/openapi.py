"""The OpenAPI document: made from the tables that requests are read by, so that it can't differ from what is served."""

from trio_supervisor.control.wire.forms import Form
from trio_supervisor.control.wire.paths import paths
from trio_supervisor.control.wire.schemas import schemas


def document() -> Form:
    """The whole document."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "trio-supervisor", "version": "1"},
        "paths": paths(),
        # On the socket the mode of the file decides, over TCP a token.
        "security": [{}, {"token": []}],
        "components": {
            "schemas": schemas(),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }
