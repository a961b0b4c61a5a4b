"""Columnar primitives: arrays in, arrays out, no policy words."""

from airlock.crypto.cmac import Cmac
from airlock.crypto.encode import encode_base32, encode_hex, encode_uuid
from airlock.crypto.permute import permutation
from airlock.crypto.siv import Siv

__all__ = ["Cmac", "Siv", "encode_base32", "encode_hex", "encode_uuid", "permutation"]
