"""Where root keys come from and what is derived from them.

Functions that share their module's name (`derive.derive`, `wrap.wrap`) are imported from there: a package has one attribute a name.
"""

from airlock.keys._base import KeyRequest, KeyRing, Permit, SubKeys
from airlock.keys.file import FileKeyRing, create_root_file
from airlock.keys.open import open_key_ring
from airlock.keys.ring import RootRing
from airlock.keys.wrap import create_executor_key_file, read_executor_key

__all__ = [
    "FileKeyRing", "KeyRequest", "KeyRing", "Permit", "RootRing", "SubKeys", "create_executor_key_file", "create_root_file",
    "open_key_ring", "read_executor_key",
]  # fmt: skip
