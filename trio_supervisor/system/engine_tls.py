"""TLS towards a container engine: how its address says so, and what is shown to the engine.

An address is one text, as it is also written down for who clears up later: `tls://host:port?DIRECTORY` has the files of
docker(1), ca.pem, cert.pem and key.pem; with `?unverified:DIRECTORY` the engine's own certificate is not looked at.
"""

import os
import ssl

SCHEME = "tls://"
_UNVERIFIED = "unverified:"


def with_tls(address: str, directory: str, *, verified: bool) -> str:
    """`tcp://host:port`, with TLS."""
    return f"{SCHEME}{address.removeprefix('tcp://')}?{'' if verified else _UNVERIFIED}{os.path.abspath(directory)}"


def host_of(address: str) -> str:
    """`host:port`, of an address over TCP, with TLS or without."""
    return address.partition("://")[2].partition("?")[0]


def context_of(address: str) -> ssl.SSLContext:
    """What to connect with to an address with TLS, from the files as they are now.

    Raises:
        OSError: a file can't be read, or is not what it should be; in words that name it.
    """
    _, _, directory = address.partition("?")
    verified = not directory.startswith(_UNVERIFIED)
    ca, certificate, key = (
        os.path.join(directory.removeprefix(_UNVERIFIED), name) for name in ("ca.pem", "cert.pem", "key.pem")
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    step = ca
    try:
        if verified:
            context.load_verify_locations(ca)
        else:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        # An engine need not ask who we are.
        if os.path.exists(certificate):
            step = f"{certificate} with {key}"
            context.load_cert_chain(certificate, key, password=_no_password)
    except OSError as error:
        raise OSError(0, f"{step} can't be used: {_why(error)}") from error
    return context


def _no_password() -> str:
    # Without this, OpenSSL asks at the terminal.
    return ""


def _why(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return (error.reason or "it is not what it should be").replace("_", " ").lower()
    return error.strerror or str(error)
