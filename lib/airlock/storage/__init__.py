"""File systems, dataset formats, staged writes, atomic publish."""
