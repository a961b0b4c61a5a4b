"""Sessions to key services: the only home of boto3 and hvac. They take plain values, and answer in Airlock's own errors."""
