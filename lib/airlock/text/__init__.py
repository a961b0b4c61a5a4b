"""Entities in free text; the only home of presidio_analyzer."""
