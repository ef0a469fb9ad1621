"""What is missing when the package is built is said in words."""

import importlib.metadata
import runpy
from pathlib import Path
from typing import Any, Dict

import pytest

import ottla

HERE = Path(__file__).resolve().parents[1]


def static_library() -> Dict[str, Any]:
    return runpy.run_path(str(HERE / "static_library.py"))


def test_a_named_library(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    named = tmp_path / "libottla_ffi.a"
    monkeypatch.setenv("OTTLA_STATIC_LIBRARY", str(named))
    with pytest.raises(SystemExit, match="which is not there"):
        static_library()["path"]()
    named.touch()
    assert static_library()["path"]() == str(named)


def test_no_cargo(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("OTTLA_STATIC_LIBRARY", raising=False)
    monkeypatch.delenv("CARGO", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SystemExit, match="cargo was not found: install a Rust toolchain"):
        static_library()["path"]()


def test_no_compiler(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CC", f"{tmp_path}/cc -m64")
    with pytest.raises(SystemExit, match="cc' was not found: install one, or set CC"):
        static_library()["require_compiler"]()


def test_no_checkout(tmp_path: Path) -> None:
    copied = tmp_path / "python" / "static_library.py"
    copied.parent.mkdir()
    copied.write_bytes((HERE / "static_library.py").read_bytes())
    with pytest.raises(SystemExit, match="built inside of a checkout of Ottla"):
        runpy.run_path(str(copied))["header_folder"]()


def test_the_package_has_the_version_of_the_library() -> None:
    assert importlib.metadata.version("ottla") == ottla.__version__
