"""The Python program of the README runs as it is printed, and goes on when it is run again."""

import subprocess
import sys
from pathlib import Path

README = Path(__file__).resolve().parents[3] / "README.md"

#: No longer, or nobody reads it.
LINES_MAX = 20


def program() -> str:
    chapter = README.read_text(encoding="utf-8").split("## From Python\n")[1]
    return chapter.split("```python\n")[1].split("```")[0]


def test_the_program_runs_as_printed(tmp_path: Path) -> None:
    assert len(program().splitlines()) <= LINES_MAX
    for offset in (0, 1):
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", program()],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == f"ordered: 3@{offset}\ncooking: one burger (3@{offset})\n"
