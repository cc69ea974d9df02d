"""An agent that speaks A2A over HTTP: it has an agent card, answers a question with a fact, and says whether it is
healthy.

Only the standard library. Listens on 127.0.0.1 at AGENT_PORT.
"""

import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count

PORT = int(os.environ["AGENT_PORT"])
URL = f"http://127.0.0.1:{PORT}/"
CARD = {
    "name": os.environ.get("AGENT_ID", "researcher"),
    "description": "Answers every question with a number that it has counted itself.",
    "version": "1.0.0",
    "supportedInterfaces": [{"url": URL, "protocolBinding": "JSONRPC", "protocolVersion": "1.0"}],
    "capabilities": {},
    "defaultInputModes": ["text/plain"],
    "defaultOutputModes": ["text/plain"],
    "skills": [{"id": "count", "name": "Counting", "description": "Counts questions.", "tags": ["example"]}],
}
QUESTIONS = count(1)


class Agent(BaseHTTPRequestHandler):
    """One request."""

    def do_GET(self) -> None:
        """The card, and the health."""
        match self.path:
            case "/.well-known/agent-card.json":
                self.answer(200, CARD)
            case "/health":
                self.answer(200, {"status": "ok"})
            case _:
                self.answer(404, {"error": "there is nothing here"})

    def do_POST(self) -> None:
        """A message of the JSON-RPC binding."""
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        text = request["params"]["message"]["parts"][0]["text"]
        print(f"asked: {text}", flush=True)
        reply = {
            "messageId": "reply",
            "role": "ROLE_AGENT",
            "parts": [{"text": f"that was question {next(QUESTIONS)}"}],
        }
        self.answer(200, {"jsonrpc": "2.0", "id": request["id"], "result": {"message": reply}})

    def answer(self, status: int, content: object) -> None:
        """Send JSON."""
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Probes come often; they are not worth a line."""


if __name__ == "__main__":
    print(f"listening on {URL}", flush=True)
    ThreadingHTTPServer(("127.0.0.1", PORT), Agent).serve_forever()
