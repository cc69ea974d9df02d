#!/bin/sh
# Installs the peers for `python -m benchmarks` under a directory of its own: $TRIO_SUPERVISOR_PEERS, else
# ~/.cache/trio-supervisor-peers. Nothing elsewhere changes. What can't be installed is left out, and told.
# Not installed by it: s6 (looks for its own programs in /usr/bin: apt-get install s6), Erlang (apt-get install erlang-base),
# process-compose (put the binary on the PATH).
place=${TRIO_SUPERVISOR_PEERS:-${XDG_CACHE_HOME:-$HOME/.cache}/trio-supervisor-peers}
mkdir -p "$place" && cd "$place" || exit 1

try() { # what, command...
    what=$1
    shift
    if "$@" >"$place/$what.log" 2>&1; then echo "$what: there"; else echo "$what: not installed, see $place/$what.log"; fi
}

python_peers() {
    python3 -m venv venv && venv/bin/pip install -q supervisor==4.3.0 circus==0.19.0 honcho==2.0.0
}

triotp() {
    python3 -m venv venv-triotp && venv-triotp/bin/pip install -q triotp==0.2.1
}

pm2() {
    npm install --no-audit --no-fund --prefix "$place/npm" pm2@7.0.4
}

runit() { # unpacked, not installed: no service is started
    mkdir -p deb/dl && (cd deb/dl && apt-get download runit) && dpkg -x deb/dl/runit_*.deb deb
}

try python-peers python_peers
try triotp triotp
try pm2 pm2
try runit runit
