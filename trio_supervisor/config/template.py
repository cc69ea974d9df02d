"""The file that `init` writes: small, commented, and it runs as it is."""

_TEMPLATE = """\
# yaml-language-server: $schema=supervisor.schema.json
#
# For completion and checks in an editor:  trio-supervisor schema > supervisor.schema.json
# Check this file:  trio-supervisor check      Run it:  trio-supervisor run      Stop it:  Ctrl-C

version: 1

supervisor:
  intensity: {restarts: 5, within: 60s}  # an agent that needs more restarts than that is held
  stop_deadline: 30s                     # for the whole stop; then everything that is left is killed

defaults:                                # every agent has these keys, unless it says otherwise
  restart: permanent                     # transient: only after a bad end; temporary: never
  backoff: {initial: 500ms, max: 30s}    # the first restart is immediate, then 0.5 s, 1 s, 2 s, ...
  stop: {signal: TERM, grace: 10s}       # after the grace the whole tree of processes is killed

agents:
  prepare:                               # runs once and ends
    command: [python3, -c, "print('everything is prepared')"]
    restart: temporary

  web:
    # "{port}" becomes the port; the agent also gets it as AGENT_PORT.
    command: [python3, -m, http.server, "{port}", --bind, 127.0.0.1]
    port: auto                           # one of 19001-19100; or a number, or a range
    depends_on: {prepare: finished}      # started, ready or finished
    readiness: {http: /, period: 5s, deadline: 30s}        # until then others do not use it
    health: {http: /, period: 30s, timeout: 5s, failures: 3}  # failed three times: it is restarted

  worker:
    command:
      - python3
      - -u
      - -c
      - |
        import os, time
        while True:
            print(os.environ["GREETING"], flush=True)
            time.sleep(5)
    env:
      GREETING: "${GREETING:-hello}"     # from the environment, or else the default
    # secrets: {API_KEY: {file: api.key}}  # or {env: NAME}, {command: [...]}: looked up at every start, never shown
    # limits: {memory: 2G, pids: 200}      # of it and all that it starts
    depends_on: {web: ready}

  # An async function in the supervisor's own process; start() of workers.py in this directory:
  # poller:
  #   task: "workers:start"
"""


def template() -> str:
    """The text of a file to begin with."""
    return _TEMPLATE
