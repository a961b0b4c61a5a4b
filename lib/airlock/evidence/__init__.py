"""Manifests, statements, signatures, pointers. Pure: values in, bytes or verdict out."""
