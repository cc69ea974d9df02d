"""An agent that works with another one: it asks the researcher every few seconds and writes down the answer.

Its first argument is the researcher's URL.
"""

import json
import sys
import time
import urllib.request
from itertools import count

URL = sys.argv[1]
PAUSE = 3.0


def ask(number: int, text: str) -> str:
    """Send one message to the researcher and return the text of its answer."""
    message = {"messageId": f"m{number}", "role": "ROLE_USER", "parts": [{"text": text}]}
    call = {"jsonrpc": "2.0", "id": number, "method": "SendMessage", "params": {"message": message}}
    headers = {"Content-Type": "application/json", "A2A-Version": "1.0"}
    request = urllib.request.Request(URL, json.dumps(call).encode(), headers)
    with urllib.request.urlopen(request, timeout=10) as response:
        answer: str = json.load(response)["result"]["message"]["parts"][0]["text"]
        return answer


for chapter in count(1):
    print(f"chapter {chapter}: {ask(chapter, f'what goes into chapter {chapter}?')}", flush=True)
    time.sleep(PAUSE)
