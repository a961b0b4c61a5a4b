"""Columnar primitives: arrays in, arrays out, no policy words."""

from airlock.crypto.cmac import Cmac
from airlock.crypto.encode import encode_base32, encode_hex, encode_uuid
from airlock.crypto.encode_bytes import decode_bytes, encode_bytes
from airlock.crypto.ff1 import Ff1
from airlock.crypto.hmac import hmac_sha256
from airlock.crypto.permute import permutation
from airlock.crypto.siv import Siv

__all__ = [
    "Cmac", "Ff1", "Siv", "decode_bytes", "encode_base32", "encode_bytes", "encode_hex", "encode_uuid", "hmac_sha256", "permutation",
]  # fmt: skip
