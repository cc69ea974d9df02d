"""What goes over the WebSocket of somebody who is attached; see `server.attached`."""

STDOUT, STDERR = b"\x01", b"\x02"
"""The first byte of what an agent has said."""
WINDOW = 64 * 1024
"""So many bytes of input may be under way that are not `taken` yet."""
