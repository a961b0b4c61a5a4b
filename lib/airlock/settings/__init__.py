"""What is not policy: zones, keys, trust, engine. A flag beats `AIRLOCK_*`, which beats airlock.yaml, which beats the default."""

from airlock.settings._load import load_settings
from airlock.settings._location import PROFILE, Location
from airlock.settings._model import SETTINGS, Origin, Setting, Settings

__all__ = ["PROFILE", "SETTINGS", "Location", "Origin", "Setting", "Settings", "load_settings"]
