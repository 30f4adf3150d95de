"""The exchange of two volumes.

Docker knows no other name for a volume, so what lies in them changes places: by rename on the docker host, with the
containers stopped that have the old contents open.
"""

from __future__ import annotations

from haechi.errors import ProgramFailed, UsageMistake
from haechi.i18n import _
from haechi.places._base import Place
from haechi.places.local import LocalPlace
from haechi.sources._volume import docker
from haechi.sources._volume.docker import Volume

_RENAMING = 120.0
_BASE = "/volumes"
_UNCHANGED = 5

# Broken off in the middle, it can be run again with another name for the old contents: it goes on where it was.
_EXCHANGE = r"""
coming=$1/_data name=$2/_data aside=$3
[ -d "$coming" ] && [ -d "$2" ] || exit 5
if [ -d "$name" ] && [ -n "$aside" ]; then
    rmdir "$aside/_data" || exit 5
    mv "$name" "$aside/_data" || { mkdir "$aside/_data"; exit 5; }
elif [ -d "$name" ]; then
    rmdir "$name" || exit 5
fi
if ! mv "$coming" "$name"; then
    if [ -n "$aside" ]; then
        mv "$aside/_data" "$name" && mkdir "$aside/_data" && exit 5
    else
        mkdir "$name"
    fi
    exit 1
fi
mkdir "$coming"
sync
"""


def exchange(coming: str, name: str, aside: str | None, image: str | None) -> None:
    """What lies in the volume `coming` lies in `name` afterwards, and what lay there in `aside`, a new one; without
    it, `name` must be empty. All of them exist; `coming` is gone afterwards."""
    involved = [docker.volume(each) for each in (coming, name, *([aside] if aside else []))]
    _demand_renames(involved)
    if all(volume.home for volume in involved):
        _rename(LocalPlace(), involved)
    else:
        if image is None:
            raise UsageMistake(
                _("There is no image to exchange the volumes with."),
                hint=_(
                    'Name one with `image` in the plan, such as image = "alpine:3", or run haechi as root.'
                ),
            )
        root = involved[1].mountpoint.removesuffix("/_data").rpartition("/")[0]
        with docker.helper(image, name, f"type=bind,src={root},dst={_BASE}") as place:
            _rename(place, involved, _BASE)
    docker.remove(coming)


def _rename(place: Place, involved: list[Volume], base: str = "") -> None:
    paths = [volume.mountpoint.removesuffix("/_data") for volume in involved]
    if base:
        paths = [f"{base}/{path.rpartition('/')[2]}" for path in paths]
    argv = ["sh", "-c", _EXCHANGE, "haechi", *paths, *([""] if len(paths) < 3 else [])]
    done = place.run(argv, deadline=_RENAMING, check=False)
    if done.status == 0:
        return
    if done.status == _UNCHANGED and len(involved) == 3:
        docker.remove(involved[2].name)  # an empty one must not be taken for what was there before
    raise ProgramFailed(
        _("The volumes could not be exchanged: {reason}").format(
            reason=done.stderr.splitlines()[-1] if done.stderr else "-"
        ),
        hint=_("Nothing is lost: run the same command again, it goes on where it was."),
        detail=done.stderr,
    )


def _demand_renames(involved: list[Volume]) -> None:
    for volume in involved:
        if not volume.is_plain or not volume.mountpoint.endswith("/_data"):
            raise UsageMistake(
                _("The volume “{name}” lies elsewhere than in a directory of the docker host.").format(
                    name=volume.name
                ),
                hint=_("Make its containers use the new volume: change its name in the compose file."),
            )
