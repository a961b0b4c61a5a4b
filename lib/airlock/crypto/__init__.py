"""Columnar primitives: arrays in, arrays out, no policy words."""
