"""Builds the wheel: the library by cargo, the binding from its header, and one small extension.

The library is linked statically, so that a wheel is complete. ``OTTLA_STATIC_LIBRARY`` names one
that is built already; without it, cargo builds one, which needs the workspace around this folder.
"""

import atexit
import os
import shutil
import sys
import tempfile

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import static_library  # noqa: E402  (found only after the line above)

# Python 3.9: the oldest whose ABI is used. The wheel says so in its name.
LIMITED_API = "0x03090000"


class Build(build_ext):
    """Makes the library just before something is linked with it."""

    def pre_run(self, extension: Extension, _ffi: object) -> None:
        """Called by cffi before it writes the source of the binding, and before anything is compiled."""
        static_library.require_compiler()
        library = static_library.path()
        extension.extra_objects.append(library)
        extension.extra_link_args.extend(static_library.link_arguments())


def scratch() -> str:
    """A folder for what the build leaves: a checkout stays as it was."""
    folder = tempfile.mkdtemp(prefix="ottla-build-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


records = Extension(
    "ottla._records",
    sources=["native/module.c", "native/batch.c", "native/received.c"],
    include_dirs=[static_library.header_folder(), "native"],
    define_macros=[("Py_LIMITED_API", LIMITED_API)],
    extra_compile_args=["-O2", "-std=c11", "-Wall", "-Wextra"],
    py_limited_api=True,
)

folder = scratch()
setup(
    cffi_modules=["binding.py:builder"],
    ext_modules=[records],
    cmdclass={"build_ext": Build},
    options={
        "bdist_wheel": {"py_limited_api": "cp39"},
        "build": {"build_base": folder},
        "egg_info": {"egg_base": folder},
    },
)
