"""How each cloud's driver is built from an address and the plan's options."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from haechi.credentials import SecretSource
from haechi.errors import DriverMissing, UsageMistake
from haechi.i18n import _

if TYPE_CHECKING:
    from haechi.stores.objects import Options


def parse(url: str) -> tuple[str, str, str, str | None]:
    scheme, rest = url.split(":", 1)
    endpoint = None
    if rest.startswith("//"):
        parts = urlsplit(url)
        bucket, path = parts.netloc.rpartition("@")[2], parts.path
    else:
        # As restic writes it: the service's address, then the bucket.
        parts = urlsplit(rest if "://" in rest else f"https://{rest}")
        endpoint = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
        bucket, _slash, path = parts.path.lstrip("/").partition("/")
    if not bucket:
        raise UsageMistake(
            _("“{url}” names no bucket.").format(url=f"{scheme}:"),
            hint=_("Write it as {scheme}://bucket/prefix.").format(scheme=scheme),
        )
    return scheme, bucket, unquote(path).strip("/"), endpoint


def driver(scheme: str, bucket: str, prefix: str, options: Options, *, retries: int) -> Any:
    try:
        from obstore.store import AzureStore, GCSStore, S3Store
    except ImportError:
        raise DriverMissing.of("obstore", "objects") from None
    client: dict[str, Any] = {
        "connect_timeout": timedelta(seconds=min(options.timeout, 20)),
        "read_timeout": timedelta(seconds=options.timeout),
        "timeout": timedelta(seconds=max(options.patience, options.timeout)),
    }
    if options.endpoint and options.endpoint.startswith("http://"):
        client["allow_http"] = True
    if options.ca_file:
        client["root_certificate"] = options.ca_file.read_bytes()
    common: dict[str, Any] = {
        "prefix": prefix or None,
        "client_options": client,
        "retry_config": {"max_retries": retries, "retry_timeout": timedelta(seconds=options.patience)},
    }
    if scheme == "gs":
        return GCSStore(bucket, config=_google(options), **common)
    if scheme == "az":
        return AzureStore(bucket, config=_azure(options), **common)
    return S3Store(bucket, config=_amazon(options), **common)


def _amazon(options: Options) -> Any:
    # One key at a time: not every service that speaks S3 knows how to delete many.
    config: dict[str, Any] = {
        "virtual_hosted_style_request": not options.path_style,
        "disable_bulk_delete": True,
    }
    if options.checksum:
        config["checksum_algorithm"] = "SHA256"
    return _add(
        config,
        endpoint=options.endpoint,
        region=options.region,
        access_key_id=options.access_key,
        secret_access_key=options.secret_key,
        session_token=options.session_token,
    )


def _google(options: Options) -> Any:
    return _add(
        {},
        base_url=options.endpoint,
        service_account=str(options.service_account) if options.service_account else None,
    )


def _azure(options: Options) -> Any:
    return _add({}, endpoint=options.endpoint, account_name=options.account, account_key=options.secret_key)


def _add(config: dict[str, Any], **given: str | SecretSource | None) -> dict[str, Any]:
    for name, value in given.items():
        if value is not None:
            config[name] = value.fetch().reveal() if isinstance(value, SecretSource) else value
    return config
