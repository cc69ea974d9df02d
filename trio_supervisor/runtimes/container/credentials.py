"""What a registry is shown for an image: what `docker login` or `podman login` has kept. Times are seconds.

Their files are looked at anew for each image: config.json of docker(1), auth.json of containers-auth.json(5). A program
that keeps it for them (docker-credential-NAME) is asked where they say so.
"""

import base64
import binascii
import json
import os
from collections.abc import Awaitable, Callable, Iterator, Mapping

import trio

from trio_supervisor.commands import Captured
from trio_supervisor.errors import ProbeError
from trio_supervisor.vault import current_vault

HUB = "https://index.docker.io/v1/"
"""How Docker Hub is called in these files."""
HELPER_TIMEOUT = 10.0

_HUB_NAME = "docker.io"
_HUB_NAMES = (HUB, _HUB_NAME, "index.docker.io", "registry-1.docker.io")
_NO_USER = "<token>"
_NOT_FOUND = b"credentials not found"

Ask = Callable[[tuple[str, ...], bytes], Awaitable[Captured]]
"""Runs a program that reads what it is given."""
Say = Callable[[str], None]


async def credentials_for(image: str, environ: Mapping[str, str], ask: Ask, say: Say) -> str:
    """For the registry of an image, as an engine takes them; empty: nobody has any. What can't be read is said."""
    for path in _files(environ):
        try:
            config = await trio.to_thread.run_sync(_read, path, abandon_on_cancel=True)
        except FileNotFoundError:
            continue
        except (OSError, ValueError) as error:
            say(f"credentials for registries can't be read: {path}: {getattr(error, 'strerror', None) or error}")
            continue
        if found := await _found(config, image, ask, say):
            return _told(found)
    return ""


def registry_of(image: str) -> str:
    """The registry that an image is of, `host` or `host:port`."""
    first, slash, _ = image.partition("/")
    return first if slash and (first == "localhost" or "." in first or ":" in first) else _HUB_NAME


def keys_of(image: str) -> Iterator[str]:
    """What an entry for an image may be called, the narrowest first (containers-auth.json(5))."""
    registry = registry_of(image)
    if registry == _HUB_NAME:
        yield from _HUB_NAMES
        return
    name = image.partition("@")[0]
    while name != registry:
        name = name.rpartition("/")[0]
        yield name
    yield from (f"https://{registry}", f"https://{registry}/v1/", f"https://{registry}/v2/", f"http://{registry}")


def _files(environ: Mapping[str, str]) -> Iterator[str]:
    if path := environ.get("REGISTRY_AUTH_FILE"):
        yield path
        return
    home = environ.get("HOME") or os.path.expanduser("~")
    yield os.path.join(environ.get("DOCKER_CONFIG") or os.path.join(home, ".docker"), "config.json")
    if runtime := environ.get("XDG_RUNTIME_DIR"):
        yield os.path.join(runtime, "containers", "auth.json")
    if os.geteuid() == 0:
        yield "/run/containers/0/auth.json"
    yield os.path.join(environ.get("XDG_CONFIG_HOME") or os.path.join(home, ".config"), "containers", "auth.json")


def _read(path: str) -> Mapping[str, object]:
    with open(path, encoding="utf-8") as file:
        found = json.load(file)
    if not isinstance(found, dict):
        raise ValueError("it is no JSON object")
    return found


async def _found(config: Mapping[str, object], image: str, ask: Ask, say: Say) -> dict[str, str]:
    """What a file has for an image: of a helper where it names one for the registry, else of its own entries."""
    registry = registry_of(image)
    server = HUB if registry == _HUB_NAME else registry
    helpers = _mapping(config.get("credHelpers"))
    helper = helpers.get(registry) or helpers.get(server) or config.get("credsStore")
    if isinstance(helper, str) and helper and (found := await _of_helper(helper, server, ask, say)):
        return found
    auths = _mapping(config.get("auths"))
    for key in keys_of(image):
        if entry := _of_entry(_mapping(auths.get(key)), key, say):
            return entry
    return {}


def _of_entry(entry: Mapping[str, object], key: str, say: Say) -> dict[str, str]:
    if token := entry.get("identitytoken"):
        return {"identitytoken": str(token), "serveraddress": key}
    user, password = entry.get("username"), entry.get("password")
    if packed := entry.get("auth"):
        try:
            user, colon, password = base64.b64decode(str(packed), validate=True).decode().rstrip("\0").partition(":")
        except (binascii.Error, UnicodeDecodeError):
            colon = ""
        if not colon:
            say(f"credentials for {key} can't be read: auth is no base64 of NAME:PASSWORD")
            return {}
    return {"username": str(user), "password": str(password), "serveraddress": key} if user and password else {}


async def _of_helper(helper: str, key: str, ask: Ask, say: Say) -> dict[str, str]:
    program = f"docker-credential-{helper}"
    try:
        done = await ask((program, "get"), key.encode())
    except ProbeError as error:
        say(f"credentials for {key} can't be had: {error}")
        return {}
    try:
        answer = json.loads(done.stdout) if done.code == 0 else None
    except ValueError:
        answer = None
    if not isinstance(answer, dict) or not isinstance(secret := answer.get("Secret"), str):
        if done.code is None or _NOT_FOUND not in done.stdout + done.stderr:
            # Its output may hold a secret.
            ended = "does not end" if done.code is None else f"ends with {done.code}"
            say(f"credentials for {key} can't be had: {program} get {ended} and gives none")
        return {}
    if answer.get("Username") == _NO_USER:
        return {"identitytoken": secret, "serveraddress": key}
    return {"username": str(answer.get("Username", "")), "password": secret, "serveraddress": key}


def _told(found: Mapping[str, str]) -> str:
    # An engine may quote what it was shown.
    current_vault().add(found[name].encode() for name in ("password", "identitytoken") if name in found)
    return base64.urlsafe_b64encode(json.dumps(found).encode()).decode()


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}
