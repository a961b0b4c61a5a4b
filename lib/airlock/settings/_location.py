"""Where a zone is and how it is reached: what `airlock.yaml` says of it, as one value that may travel to workers. No secret in it."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["PROFILE", "Location"]

PROFILE = "profile:"
"""Before the name of a profile of the AWS configuration, as an identity."""


@dataclass(frozen=True, slots=True)
class Location:
    """One zone's place.

    Attributes:
        uri: A plain path, `file://`, or `s3://bucket/prefix`.
        endpoint: URL of an object store that is not AWS's own.
        region: None: as the AWS environment says, `us-east-1` at an endpoint.
        ca: PEM file of the authority of the endpoint's certificate; None: the system's.
        style: How buckets are addressed: `auto`, `path` or `virtual`.
        identity: `profile:NAME`, or the path of a credentials file in AWS's format or of a folder with `access_key_id` and
            `secret_access_key` (a mounted Secret); None: the standard chain of the AWS environment.
        kms_key: Encrypt what is written under this KMS key; None: as the bucket says.
        metadata_service: Whether an instance's metadata service may be asked for credentials.
    """

    uri: str
    endpoint: str | None = None
    region: str | None = None
    ca: str | None = None
    style: str = "auto"
    identity: str | None = None
    kms_key: str | None = None
    metadata_service: bool = False

    @property
    def is_object_store(self) -> bool:
        """Whether it is a bucket.

        Example:
            >>> Location("s3://pii-raw/crm").is_object_store, Location("raw").is_object_store
            (True, False)
        """
        return self.uri.startswith("s3://")
