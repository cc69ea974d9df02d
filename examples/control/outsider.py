"""An outsider that knows nothing of trio-supervisor: lists the agents, restarts one, and follows what happens.

python outsider.py SOCKET AGENT
"""

import json
import sys

import httpx

socket, agent = sys.argv[1:]
with httpx.Client(transport=httpx.HTTPTransport(uds=socket), base_url="http://supervisor", timeout=30) as client:
    for one in client.get("/v1/agents").raise_for_status().json()["agents"]:
        print(one["agent"], one["state"])
    with client.stream("GET", "/v1/events") as events:
        lines = events.iter_lines()
        next(lines)  # says that it listens: nothing is missed from here on
        client.post(f"/v1/agents/{agent}/restart").raise_for_status()
        for event in (json.loads(line[6:]) for line in lines if line.startswith("data: ")):
            print(event["agent"], event["old"], "->", event["new"], event["reason"])
            if (event["agent"], event["new"]) == (agent, "ready"):
                break
