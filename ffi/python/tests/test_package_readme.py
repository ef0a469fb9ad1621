"""Every program of the package's README runs as it is printed."""

import re
import subprocess
import sys
from pathlib import Path
from typing import List

import pytest

README = Path(__file__).resolve().parents[1] / "README.md"


def programs() -> List[str]:
    found: List[str] = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert len(found) >= 5
    return found


@pytest.mark.parametrize("program", programs())
def test_a_program_runs_as_printed(program: str, tmp_path: Path) -> None:
    how = ["-W", "error", "-c", program]
    if "def test_" in program:
        (tmp_path / "test_printed.py").write_text(program)
        how = ["-m", "pytest", "--quiet"]
    done = subprocess.run(
        [sys.executable, *how],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
