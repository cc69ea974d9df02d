"""So many clients that follow events over a socket. They read as fast as they are sent and look at nothing else, so
that what is measured is who serves them.

python -m benchmarks.programs.followers SOCKET COUNT     says how many events each has got when its input ends
"""

import json
import selectors
import socket
import sys

EVENT = b"\nid: "
REQUEST = b"GET /v1/events HTTP/1.1\r\nHost: supervisor\r\n\r\n"


def main(path: str, count: int) -> dict[str, float]:
    """Until standard input ends."""
    waiting = selectors.DefaultSelector()
    heard: dict[int, int] = {}
    for _ in range(count):
        follower = socket.socket(socket.AF_UNIX)
        follower.connect(path)
        follower.sendall(REQUEST)
        assert b" 200 " in follower.recv(15), "the supervisor does not answer"
        heard[follower.fileno()] = 0
        waiting.register(follower, selectors.EVENT_READ)
    waiting.register(sys.stdin, selectors.EVENT_READ)
    print("following", flush=True)
    while True:
        for key, _ in waiting.select():
            if key.fileobj is sys.stdin:
                return {"least": min(heard.values(), default=0), "most": max(heard.values(), default=0)}
            assert isinstance(key.fileobj, socket.socket)
            data = key.fileobj.recv(1 << 18)
            if not data:
                waiting.unregister(key.fileobj)
            heard[key.fd] += data.count(EVENT)


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], int(sys.argv[2]))))
