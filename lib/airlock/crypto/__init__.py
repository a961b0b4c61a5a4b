"""Columnar primitives: arrays in, arrays out, no policy words."""

from airlock.crypto.cmac import Cmac
from airlock.crypto.encode import encode_base32, encode_hex, encode_uuid
from airlock.crypto.ff1 import Ff1
from airlock.crypto.permute import permutation

__all__ = ["Cmac", "Ff1", "encode_base32", "encode_hex", "encode_uuid", "permutation"]
