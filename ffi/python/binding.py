"""The binding, made from ottla.h when the package is built: whatever the header declares can be
called from Python, and nothing can drift. cffi's API mode: a C compiler sees both sides."""

import re
import sys
from pathlib import Path

from cffi import FFI

sys.path.insert(0, str(Path(__file__).resolve().parent))

from static_library import header_folder  # noqa: E402  (found only after the line above)



def declarations(header: str) -> str:
    """The header without what only a C compiler understands.

    >>> print(declarations('#define OTTLA_X -1\\n#ifdef __cplusplus\\nextern "C" {\\n#endif\\nint f(void);'))
    #define OTTLA_X ...
    int f(void);
    """
    header = re.sub(r"/\*.*?\*/", "", header, flags=re.DOTALL)
    header = re.sub(r"//[^\n]*", "", header)
    header = re.sub(r"#ifdef __cplusplus.*?#endif", "", header, flags=re.DOTALL)
    lines = []
    for line in header.splitlines():
        # A number, negative ones in brackets or not: the compiler puts it in.
        number = re.match(r"#define (OTTLA_[A-Z0-9_]+)\s+[^\"\s]", line)
        if number:
            lines.append(f"#define {number[1]} ...")
        elif line.strip() and not line.startswith("#"):
            lines.append(line)
    return "\n".join(lines)


#: What C calls in Python, always on a thread that is inside of a call from Python.
CALLBACKS = """
extern "Python" void ottla_python_on_assigned(void *, struct ottla_consumer *,
    const struct ottla_topic_partition *, size_t);
extern "Python" void ottla_python_on_revoked(void *, struct ottla_consumer *,
    const struct ottla_topic_partition *, size_t);
extern "Python" void ottla_python_on_lost(void *, struct ottla_consumer *,
    const struct ottla_topic_partition *, size_t);
extern "Python" void ottla_python_on_commit(void *, struct ottla_consumer *,
    const struct ottla_offset *, size_t, ottla_status, const struct ottla_error *);
extern "Python" void ottla_python_assign(void *, const struct ottla_assignor_topic *, size_t,
    const struct ottla_assignor_member *, size_t, struct ottla_assignment *);
extern "Python" int32_t ottla_python_partitioner(void *, const char *,
    const struct ottla_record *, int32_t);
extern "Python" void ottla_python_progress(void *, uint64_t, uint64_t);
"""

folder = header_folder()
builder = FFI()
builder.cdef(declarations((Path(folder) / "ottla.h").read_text(encoding="ascii")))
builder.cdef(CALLBACKS)
builder.set_source(
    "ottla._ottla",
    '#include "ottla.h"\n',
    include_dirs=[folder],
    extra_objects=[],
    extra_link_args=[],
    extra_compile_args=["-O2"],
    py_limited_api=True,
)
