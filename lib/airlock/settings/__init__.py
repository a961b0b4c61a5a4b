"""What is not policy: zones, keys, trust, engine; flag > environment > file > default."""
