"""What containers may be given, whoever asks for one: images, mounts, variables."""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from types import MappingProxyType

from attrs import field, frozen

from trio_supervisor.errors import SpecError
from trio_supervisor.spec.container import ContainerSpec, Mount

DENIED_MOUNTS = (
    "/boot",
    "/dev",
    "/etc",
    "/proc",
    "/run",
    "/sys",
    "/var/lib/containers",
    "/var/lib/docker",
    "/var/run",
    "~/.aws",
    "~/.docker",
    "~/.gnupg",
    "~/.kube",
    "~/.local/state/trio-supervisor",
    "~/.ssh",
)
DENIED_ENV = ("BASH_ENV", "ENV", "LD_AUDIT", "LD_LIBRARY_PATH", "LD_PRELOAD", "PYTHONSTARTUP")
DENIED_NETWORKS = ("container:*", "ns:*")
"""Those of other containers and processes: who is in one hears what they say on localhost, and can speak as they do."""
NOTHING: Mapping[str, str] = MappingProxyType({})


def _check_paths(_: object, __: object, paths: Iterable[str]) -> None:
    for path in paths:
        if not path.startswith(("/", "~/")):
            raise SpecError(f"containers: deny_mounts: {path!r} must begin with / or ~/")


@frozen
class ContainerPolicy:
    """What no container of a tree gets, also when it is added later."""

    images: tuple[str, ...] | None = None
    """Patterns of images that may be run, such as `registry.example/agents/*`; None: all."""
    deny_mounts: tuple[str, ...] = field(default=DENIED_MOUNTS, validator=_check_paths)
    """Paths that are not mounted, nor what is in them, nor what they are in; symbolic links are followed."""
    deny_env: tuple[str, ...] = DENIED_ENV
    """Variables that are not set."""
    deny_networks: tuple[str, ...] = DENIED_NETWORKS
    """Patterns of networks that are not joined."""

    def check(self, spec: ContainerSpec, private: Mapping[str, str] = NOTHING) -> None:
        """Raise SpecError for what is not allowed; `private` as for `check_mount`."""
        for _, message in self.faults(spec, private):
            raise SpecError(message)

    def faults(self, spec: ContainerSpec, private: Mapping[str, str] = NOTHING) -> Iterator[tuple[str, str]]:
        """All that is not allowed: the name of the field, and why. `private` as for `check_mount`."""
        private = {**engine_socket(spec.engine), **private}
        try:
            self.check_image(spec.image)
        except SpecError as error:
            yield "image", str(error)
        for name in ("env", "secrets"):
            for variable in getattr(spec, name):
                if variable in self.deny_env:
                    yield name, f"container: {name}: {variable!r} is not allowed (containers: deny_env)"
        if spec.network is not None and any(fnmatchcase(spec.network, pattern) for pattern in self.deny_networks):
            yield "network", f"container: network {spec.network!r} is not allowed (containers: deny_networks)"
        for each in spec.mounts:
            try:
                self.check_mount(each, private)
            except SpecError as error:
                yield "mounts", str(error)

    def check_image(self, image: str) -> None:
        """Raise SpecError for an image that may not be run."""
        if self.images is not None and not any(matches(image, pattern) for pattern in self.images):
            allowed = ", ".join(self.images) or "none"
            raise SpecError(f"container: image {image!r} is not allowed (containers: images: {allowed})")

    def check_mount(self, wanted: Mount, private: Mapping[str, str] = NOTHING) -> str:
        """The source with its symbolic links followed, as they are now. `private`: paths that no container gets
        whatever the policy says, and what they are: to write there is to command what confines it.

        Raises:
            SpecError: it is not allowed.
        """
        if not wanted.is_path:
            return wanted.source
        real = os.path.realpath(wanted.source)
        through = "" if real == wanted.source else f", which leads to {real}"
        refused = f"container: mounts: {wanted.source!r}{through} is not allowed: "
        for path, what in private.items():
            if relation := _relation(real, path):
                raise SpecError(f"{refused}{relation} {path}, {what}, which no container gets")
        for denied in self.deny_mounts:
            if relation := _relation(real, denied):
                raise SpecError(f"{refused}{relation} {denied} (containers: deny_mounts)")
        return real


def engine_socket(address: str | None) -> dict[str, str]:
    """The socket of an engine, as `private`; nothing where it has none. Who may ask an engine is root beside it."""
    prefix = "unix://"
    return {address.removeprefix(prefix): "the socket of its engine"} if address and address.startswith(prefix) else {}


def _relation(real: str, denied: str) -> str:
    """How a path stands to what is denied, in words; empty: it does not."""
    for path in sorted(_forms(denied)):
        if real == path:
            return "it is"
        if real.startswith(path.rstrip("/") + "/"):
            return "it is in"
        if path.startswith(real.rstrip("/") + "/"):
            return "it contains"
    return ""


def _forms(denied: str) -> set[str]:
    path = os.path.expanduser(denied)
    return {os.path.normpath(path), os.path.realpath(path)}


def matches(image: str, pattern: str) -> bool:
    """Whether an image is one of a pattern.

    `*` is any text within a part of the name, `**` as the last part any parts. A pattern without tag and digest takes
    any; one with a tag takes only that, and no digest: engines go by the digest then, and look at no tag. An image that
    names neither is `latest`.
    """
    name, tag, digest = _parts(image)
    wanted, wanted_tag, wanted_digest = _parts(pattern)
    if wanted_digest:
        if digest != wanted_digest:
            return False
    elif wanted_tag and (digest or not fnmatchcase(tag or "latest", wanted_tag)):
        return False
    if wanted[-1] == "**":
        return len(name) >= len(wanted) and _fit(name, wanted[:-1])
    return len(name) == len(wanted) and _fit(name, wanted)


def _fit(name: list[str], wanted: list[str]) -> bool:
    return all(fnmatchcase(part, pattern) for part, pattern in zip(name, wanted, strict=False))


def _parts(image: str) -> tuple[list[str], str, str]:
    """The parts of the full name (docker.io/library/x for x), tag and digest; empty where there is none."""
    rest, _, digest = image.partition("@")
    match = re.fullmatch(r"(.*?)(?::([^/:]+))?", rest)
    name, tag = (rest, "") if match is None else (match[1], match[2] or "")
    parts = name.split("/")
    if len(parts) == 1:
        parts = ["docker.io", "library", *parts]
    elif not re.search(r"[.:*]", parts[0]) and parts[0] != "localhost":
        parts = ["docker.io", *parts]
    return parts, tag, digest
