"""The file that always bears the newest backup, such as `backup_latest.sql.gz`: a link or a server-side copy."""

from __future__ import annotations

from haechi.archive.catalogue import Catalogue
from haechi.archive.manifest import File, Manifest
from haechi.archive.names import sums_of
from haechi.errors import HaechiError, UsageMistake
from haechi.events import Reporter
from haechi.i18n import _


def refresh(catalogue: Catalogue, template: str, service: str, reporter: Reporter) -> None:
    """Point it at the newest restore point of this service. It is a convenience: a failure is a warning."""
    manifests = [m for m in catalogue.manifests() if m.point.service == service and catalogue.fits(m)]
    if not manifests:
        return
    newest = manifests[-1]
    try:
        for file in newest.files:
            _place(catalogue, _name(catalogue, template, newest, file), file)
    except HaechiError as problem:
        reporter.warn(
            _("{name} could not be renewed: {reason}").format(name=template, reason=problem.message)
        )


def _place(catalogue: Catalogue, name: str, file: File) -> None:
    catalogue.store.duplicate(next(iter(file.names.values())), name)
    for key, line in sums_of(file, name):
        catalogue.store.put(key, line, replace=True)


def _name(catalogue: Catalogue, template: str, manifest: Manifest, file: File) -> str:
    layout = catalogue.layout.named(template)
    if layout.joins and len(manifest.files) > 1:
        raise UsageMistake(
            _("it names one file, and the backup has several"),
            hint=_("Put {part} or {database} into `latest`."),
        )
    part = next(p for p in manifest.point.parts if p.name == file.segments[0].part)
    return layout.name(
        service=manifest.point.service, part=part, tier="", point="latest", time=manifest.point.time
    )
