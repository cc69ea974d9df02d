"""A file without containers pays nothing for them but what a file is read by."""

import subprocess
import sys
from pathlib import Path

OF_CONTAINERS = (
    "httpx",
    "trio_supervisor.runtimes.container",
    "trio_supervisor.system.containers",
    "trio_supervisor.system.engine_tls",
)


def test_a_run_of_a_plain_file_imports_no_engine(tmp_path: Path) -> None:
    file = tmp_path / "supervisor.yaml"
    file.write_text("agents: {a: {command: ['true'], restart: temporary}}\n")
    program = (
        "import sys\nfrom trio_supervisor.cli.main import main\n"
        f"code = main(['run', {str(file)!r}, '--state-dir', {str(tmp_path / 'state')!r}])\n"
        f"print('code', code, [name for name in {OF_CONTAINERS} if name in sys.modules])"
    )

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout.splitlines()[-1] == "code 0 []"
