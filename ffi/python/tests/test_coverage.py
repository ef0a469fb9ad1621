"""Nothing of the header is forgotten: every function is called from Python, or said here why not."""

import re
from pathlib import Path

import ottla
from ottla._ottla import lib

#: Functions that Python does without, and what it has instead.
INSTEAD = {
    "ottla_abi_version": "the library is linked with what was compiled against its header",
    "ottla_version_number": "ottla.__version__",
    "ottla_handle_count": "for tests",
    "ottla_delivery_on_completion": "no thread of the library calls Python: completions are fetched",
    "ottla_records_partition_count": "each partition is asked for when a record of it is",
    "ottla_sequence_after": "Appender.next_sequence",
    "ottla_transaction_begin": "ottla_transaction_begin_with_options",
    "ottla_transaction_commit": "ottla_transaction_commit_with_places",
    "ottla_transactional_producer_commit_transaction": "..._commit_with_places",
}


def test_every_function_is_called() -> None:
    folder = Path(ottla.__file__).parent
    sources = "".join(path.read_text(encoding="utf-8") for path in folder.rglob("*.py"))
    called = set(re.findall(r"lib\.(ottla_\w+)", sources))
    for prefix in re.findall(r'_prefix = "(ottla_\w+)"', sources):
        called |= {f"{prefix}_{name}" for name in re.findall(r'_call\(\s*"(\w+)"', sources)}
    declared = {name for name in dir(lib) if name.startswith("ottla_")}
    declared -= {name for name in declared if name.startswith("ottla_python_")}
    assert declared - called - set(INSTEAD) == set()
    assert set(INSTEAD) - declared == set(), "there is no such function any more"
    assert set(INSTEAD) & called == set(), "it is called after all"
