"""From an address and options to a bucket."""

from __future__ import annotations

import os
from urllib.parse import urlsplit

from haechi.errors import UsageMistake
from haechi.i18n import _
from haechi.sources._bucket.clouds import DriverBucket
from haechi.sources._bucket.interface import Bucket
from haechi.sources._bucket.s3 import S3Bucket
from haechi.stores import _clouds
from haechi.stores._http import Client
from haechi.stores._s3_signing import signer_for
from haechi.stores.objects import Options, schemes


def open_bucket(url: str, options: Options) -> Bucket:
    """Nothing is contacted yet."""
    if url.split(":", 1)[0] not in schemes:
        raise UsageMistake(
            _("“{url}” is not the address of a bucket.").format(url=url),
            hint=_("Write it as s3://bucket/prefix, gs://bucket/prefix or az://container/prefix."),
        )
    scheme, bucket, prefix, endpoint = _clouds.parse(url)
    options = options.model_copy(update={"endpoint": options.endpoint or endpoint})
    patience = {"retries": options.retries, "patience": options.patience}
    kept = {"storage_class": options.storage_class or ""}
    if scheme == "s3":
        region = options.region or os.environ.get("AWS_REGION") or "us-east-1"
        address = options.endpoint or _of_amazon(region)
        signer = signer_for(urlsplit(address).netloc, region, options)
        if signer is not None:
            client = Client(address, timeout=options.timeout, ca_file=options.ca_file)
            return S3Bucket(bucket, prefix, client, signer, **patience, **kept)  # type: ignore[arg-type]
    shown = f"{scheme}://{bucket}" + (f"/{prefix}" if prefix else "")
    driver = _clouds.driver(scheme, bucket, prefix, options, retries=options.retries)
    return DriverBucket(shown, driver, **patience, **kept)  # type: ignore[arg-type]


def _of_amazon(region: str) -> str:
    return (
        os.environ.get("AWS_ENDPOINT_URL_S3")
        or os.environ.get("AWS_ENDPOINT_URL")
        or (f"https://s3.{region}.amazonaws.com")
    )
