"""Where root keys come from and what is derived from them."""

from airlock.keys._base import KeyRequest, KeyRing, Permit, SubKeys
from airlock.keys.derive import derive, key_id
from airlock.keys.file import FileKeyRing, create_root_file
from airlock.keys.wrap import create_executor_key_file, read_executor_key, seal, unseal, unwrap, wrap

__all__ = [
    "FileKeyRing", "KeyRequest", "KeyRing", "Permit", "SubKeys", "create_executor_key_file", "create_root_file", "derive", "key_id",
    "read_executor_key", "seal", "unseal", "unwrap", "wrap",
]  # fmt: skip
