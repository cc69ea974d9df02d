"""`python -m trio_supervisor` is the same as `trio-supervisor`."""

import sys

from trio_supervisor.cli.main import main

sys.exit(main())
