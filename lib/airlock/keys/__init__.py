"""Where root keys come from and what is derived from them."""

from airlock.keys._base import KeyRequest, KeyRing, Permit, SubKeys

__all__ = ["KeyRequest", "KeyRing", "Permit", "SubKeys"]
