"""The program of the guardian, and of a birth without one: run by its path, so that nothing else has to be loaded.

python -I -S .../guardian/__main__.py guardian SOCKET
python -I -S .../guardian/__main__.py become PLAN FAILURES FD...
"""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

if __name__ == "__main__":
    if sys.argv[1] == "guardian":
        from trio_supervisor.guardian.guardian import main

        main(int(sys.argv[2]))
    else:
        from trio_supervisor.system.birth import become_planned

        become_planned(*map(int, sys.argv[2:]))
