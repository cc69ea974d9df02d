"""An agent that does some steps of work and then crashes, as agents do."""

import random
import sys
import time

steps = random.randint(2, 5)
for step in range(1, steps + 1):
    print(f"step {step}", flush=True)
    time.sleep(0.5)
print("the model has answered with nonsense", file=sys.stderr, flush=True)
sys.exit(1)
