"""Where libottla_ffi.a comes from, where its header is, and how it is linked."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, List

HERE = Path(__file__).resolve().parent
WORKSPACE = HERE.parent.parent
HEADER = HERE.parent / "include" / "ottla.h"


def fail(message: str) -> "Any":
    raise SystemExit(f"ottla: {message}")


def header_folder() -> str:
    """The folder of ottla.h."""
    if not HEADER.is_file():
        fail(
            f"{HEADER} is not there: the package is built inside of a checkout of Ottla, with"
            " 'pip install ./ffi/python' (pip 21.3 or later, which builds where the sources are)"
        )
    return str(HEADER.parent)


def require_compiler() -> None:
    """Says what is missing before a compiler's absence does in its own words."""
    compiler = os.environ.get("CC", "cc").split()[0]
    if shutil.which(compiler) is None:
        fail(f"the C compiler '{compiler}' was not found: install one, or set CC")


def path() -> str:
    """The static library: the one that is named, or a fresh one."""
    named = os.environ.get("OTTLA_STATIC_LIBRARY")
    if not named:
        return build()
    if not Path(named).is_file():
        fail(f"OTTLA_STATIC_LIBRARY names {named}, which is not there")
    return named


def build() -> str:
    """Lets cargo build it, and asks cargo where it is."""
    cargo = os.environ.get("CARGO") or shutil.which("cargo")
    if cargo is None:
        fail(
            "cargo was not found: install a Rust toolchain (https://rustup.rs), or name a library"
            " that is built already in OTTLA_STATIC_LIBRARY"
        )
    if not (WORKSPACE / "Cargo.toml").is_file():
        fail(f"{WORKSPACE} is no checkout of Ottla: there is no Cargo.toml")
    # This kind alone: with a Rust library beside it, nothing is optimized across packages.
    command = [cargo, "rustc", "--release", "--locked", "--package", "ottla-ffi", "--lib"]
    command += ["--crate-type", "staticlib", "--message-format", "json-render-diagnostics"]
    done = subprocess.run(command, cwd=WORKSPACE, stdout=subprocess.PIPE, check=False)
    if done.returncode != 0:
        fail(f"'{' '.join(command)}' failed in {WORKSPACE}; its messages are above")
    for line in done.stdout.splitlines():
        for name in artifacts(json.loads(line)):
            if name.endswith(".a"):
                return name
    return fail("cargo built no static library")


def artifacts(message: Any) -> List[str]:
    """The files of the library itself, in one of cargo's messages."""
    if message.get("target", {}).get("name") != "ottla_ffi":
        return []
    names: List[str] = message.get("filenames", [])
    return names


def link_arguments() -> List[str]:
    """What a linker needs beside the library: what Rust's standard library uses, and that nothing of
    it can be seen from outside, so that a program may have the shared library as well."""
    if sys.platform == "linux":
        return ["-Wl,--exclude-libs,ALL", "-Wl,--gc-sections", "-lpthread", "-ldl", "-lm"]
    return []
