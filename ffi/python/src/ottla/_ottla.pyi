"""The binding that cffi makes of ottla.h. What is called how stands in the header."""

from typing import Any

CData = Any

ffi: Any
lib: Any
