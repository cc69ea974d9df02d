"""Children that live in containers of Docker or Podman, asked for by the Docker Engine API."""

from trio_supervisor.runtimes.container.life import ContainerLife
from trio_supervisor.runtimes.container.runtime import ContainerRuntime

__all__ = ["ContainerLife", "ContainerRuntime"]
