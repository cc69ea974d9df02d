"""The control server: the tree over HTTP, on a unix socket."""
