"""A wrapper that swallows TERM and waits for what it wraps: swallow.py COMMAND..."""

import signal
import subprocess
import sys

signal.signal(signal.SIGTERM, lambda number, frame: print("swallowed", flush=True))
with subprocess.Popen(sys.argv[1:]) as wrapped:
    sys.exit(wrapped.wait())
