"""`gitune serve`: bind, follow the registry, answer until told to stop.

`serve(registry, load, host, port, announce)` returns after SIGINT or SIGTERM, when the requests in flight have ended.
"""

from __future__ import annotations

import errno
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import uvicorn

from runner.errors import GituneError, UsageError
from runner.registry.views import RegistryReader
from runner.serving.admission import required_key
from runner.serving.engines import Load
from runner.serving.follow import Follower, Live
from runner.serving.names import exact_name
from runner.serving.server import build_app

GRACE = 5  # seconds that requests in flight get once the server is told to stop


def serve(
    registry: RegistryReader,
    load: Load,
    host: str,
    port: int,
    announce: Callable[[str], None],
    *,
    environ: Mapping[str, str] = os.environ,
) -> None:
    """Serve what is deployed, and what will be, until SIGINT or SIGTERM.

    Args:
        registry: whose deployments are followed.
        load: opens a version's engine; see `engines.loader`.
        host: name or address to bind; anything but loopback needs GITUNE_API_KEY in `environ`.
        port: TCP port; 0 takes a free one.
        announce: told in one line what is live where, at the start and after every change.
        environ: where GITUNE_API_KEY is looked up.

    Raises:
        GituneError: the port is taken, the host unknown, the key missing, the registry unreadable.
    """
    with listen(host, port) as listener:
        key = required_key(listener.getsockname()[0], environ)
        url = _url(listener)
        if not registry.deployed():
            announce(f"listening on {url}; nothing is deployed yet, `gitune apply` deploys")

        def on_swap(new: Live, old: Live | None) -> None:
            was = f", was {old.deployment.version}" if old and old.deployment.version != new.deployment.version else ""
            announce(f"serving {exact_name(new.deployment)} ({new.deployment.alias}) on {url}{was}")

        with _until_told_to_stop(), Follower(registry, load, on_swap=on_swap) as follower:
            config = uvicorn.Config(
                build_app(follower, key),
                access_log=False,
                lifespan="off",
                log_config=None,
                log_level="warning",
                timeout_graceful_shutdown=GRACE,
            )
            uvicorn.Server(config).run(sockets=[listener])


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that accepts connections from now on.

    Raises:
        GituneError: when the address cannot be had.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family)
    except socket.gaierror as error:
        raise UsageError(f"no such host: {host}", hint="bind to 127.0.0.1, or to an address of this machine") from error
    except OSError as error:
        # Its own strerror repeats the address.
        said = os.strerror(error.errno) if error.errno else str(error)
        raise GituneError(f"cannot listen on {host}:{port}: {said}", hint=_remedy(error)) from error


def _remedy(error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return "another program has this port: stop it, or choose another one (--port 0 takes a free one)"
    if error.errno == errno.EACCES:
        return "ports below 1024 need privileges; choose a higher one"
    return "bind to 127.0.0.1, or to an address of this machine"


def _url(listener: socket.socket) -> str:
    address, port = listener.getsockname()[:2]
    return f"http://[{address}]:{port}/v1" if ":" in address else f"http://{address}:{port}/v1"


@contextmanager
def _until_told_to_stop() -> Iterator[None]:
    """End the block on SIGTERM as on Ctrl-C, quietly: uvicorn has finished what was in flight and raises them again."""
    main = threading.current_thread() is threading.main_thread()  # the only one that Python lets set handlers
    before = signal.signal(signal.SIGTERM, signal.default_int_handler) if main else None
    try:
        yield
    except KeyboardInterrupt:
        pass
    finally:
        if main:
            signal.signal(signal.SIGTERM, before)
