"""Block storage v3: answers Cinder's clients about volumes, snapshots, types and limits.

Source: https://docs.openstack.org/api-ref/block-storage/v3/
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from werkzeug.wrappers import Request, Response

from infraci.local.api.cinder_json import (
    encryption_to_json,
    parse_encryption,
    parse_metadata,
    parse_snapshot,
    parse_volume,
    parse_volume_type,
    snapshot_to_json,
    texts_of,
    volume_to_json,
    volume_type_to_json,
    zone_to_json,
)
from infraci.local.api.parse import flag, number
from infraci.local.api.quotas import volume_limits
from infraci.local.api.web import (
    Api,
    Document,
    body_of,
    check_object,
    fields_of,
    reply,
    route,
)
from infraci.local.domain.records import Image
from infraci.local.domain.snapshots import Snapshots
from infraci.local.domain.store import Store
from infraci.local.domain.volume_records import Snapshot, Volume
from infraci.local.domain.volumes import Volumes
from infraci.local.errors import InvalidRequestError, NotFoundError

#: From 3.42 on, volumes grow while a server has them.
MAX_MICROVERSION = "3.42"

#: The parameters of a list, and what of a volume or snapshot each is.
_FILTERS: Mapping[str, Callable[[Volume | Snapshot], str]] = {
    "name": lambda record: record.name,
    "status": lambda record: record.status,
    "volume_id": lambda record: record.volume_id if isinstance(record, Snapshot) else record.id,
}

_Listed = TypeVar("_Listed", Volume, Snapshot)


class VolumeApi(Api):
    """Volumes, snapshots, volume types, limits."""

    error_key = "badRequest"

    def __init__(
        self,
        store: Store,
        volumes: Volumes,
        snapshots: Snapshots,
        is_valid_token: Callable[[str | None], bool],
    ) -> None:
        super().__init__(is_valid_token)
        self._store = store
        self._volumes = volumes
        self._snapshots = snapshots

    def may_ask(self, request: Request) -> bool:
        """The versions need no token."""
        return request.path in ("/", "/v3", "/v3/") or super().may_ask(request)

    @route("GET", "/")
    def versions(self, request: Request) -> Response:
        """The one version there is."""
        return reply({"versions": [self._version(request)]}, 300)

    @route("GET", "/v3")
    def version(self, request: Request) -> Document:
        """Version 3."""
        return {"versions": [self._version(request)]}

    def _version(self, request: Request) -> Document:
        link = {"rel": "self", "href": request.root_url.rstrip("/") + "/v3/"}
        return {
            "id": "v3.0",
            "status": "CURRENT",
            "version": MAX_MICROVERSION,
            "min_version": "3.0",
            "updated": "2023-08-31T00:00:00Z",
            "links": [link],
            "media-types": [],
        }

    # Volumes

    @route("GET", "/v3/<project>/volumes")
    def list_volumes(self, request: Request, project: str) -> Document:
        """The volumes, by id and name."""
        volumes = _listed(request, self._volumes.all())
        return {"volumes": [{"id": v.id, "name": v.name, "links": []} for v in volumes]}

    @route("GET", "/v3/<project>/volumes/detail")
    def list_volumes_in_detail(self, request: Request, project: str) -> Document:
        """The volumes, whole."""
        volumes = _listed(request, self._volumes.all())
        return {"volumes": [self._shown(volume) for volume in volumes]}

    @route("POST", "/v3/<project>/volumes")
    def create_volume(self, request: Request, project: str) -> Response:
        """A new volume."""
        volume = self._volumes.create(parse_volume(body_of(request, "volume")))
        return reply({"volume": self._shown(volume)}, 202)

    @route("GET", "/v3/<project>/volumes/<id_>")
    def show_volume(self, request: Request, project: str, id_: str) -> Document:
        """One volume."""
        return {"volume": self._shown(self._volumes.require(id_))}

    @route("PUT", "/v3/<project>/volumes/<id_>")
    def update_volume(self, request: Request, project: str, id_: str) -> Document:
        """Change a volume's name, description or metadata."""
        body = body_of(request, "volume")
        fields = texts_of(body)
        if "metadata" in body:
            fields["metadata"] = parse_metadata(body["metadata"])
        return {"volume": self._shown(self._volumes.change(id_, **fields))}

    @route("DELETE", "/v3/<project>/volumes/<id_>")
    def delete_volume(self, request: Request, project: str, id_: str) -> Response:
        """Remove a volume; it is shown until it is gone."""
        cascade, force = flag(request.args.get("cascade")), flag(request.args.get("force"))
        self._volumes.delete(id_, cascade=cascade, force=force)
        return Response(status=202)

    @route("POST", "/v3/<project>/volumes/<id_>/action")
    def act(self, request: Request, project: str, id_: str) -> Response:
        """One of Cinder's actions."""
        body = fields_of(request)
        if len(body) != 1:
            raise InvalidRequestError("There must be one action in the request's body.")
        ((action, arguments),) = body.items()
        self._volumes.require(id_)
        arguments = check_object(arguments or {}, action)
        if action == "os-show_image_metadata":
            return reply({"metadata": self._image_metadata(id_)})
        self._change(id_, action, arguments)
        return Response(status=202)

    def _change(self, id_: str, action: str, arguments: Document) -> None:
        match action:
            case "os-extend":
                self._volumes.extend(id_, number(arguments.get("new_size")))
            case "os-retype":
                self._volumes.retype(id_, str(arguments.get("new_type")))
            case "os-update_readonly_flag":
                self._volumes.set_read_only(id_, read_only=flag(arguments.get("readonly")))
            case "os-set_bootable":
                self._volumes.change(id_, bootable=flag(arguments.get("bootable")))
            case "os-force_delete":
                self._volumes.delete(id_, force=True)
            case _:
                raise InvalidRequestError(f"The embedded cloud has no volume action {action!r}.")

    def _image_metadata(self, id_: str) -> Document:
        shown = self._shown(self._volumes.require(id_))
        return dict(shown.get("volume_image_metadata") or {})

    @route("GET", "/v3/<project>/volumes/<id_>/metadata")
    def volume_metadata(self, request: Request, project: str, id_: str) -> Document:
        """A volume's metadata."""
        return {"metadata": dict(self._volumes.require(id_).metadata)}

    @route("POST", "/v3/<project>/volumes/<id_>/metadata")
    def add_volume_metadata(self, request: Request, project: str, id_: str) -> Document:
        """Set items of a volume's metadata."""
        added = parse_metadata(body_of(request, "metadata"))
        return self._set_metadata(id_, {**self._volumes.require(id_).metadata, **added})

    @route("PUT", "/v3/<project>/volumes/<id_>/metadata")
    def replace_volume_metadata(self, request: Request, project: str, id_: str) -> Document:
        """Set a volume's metadata."""
        return self._set_metadata(id_, parse_metadata(body_of(request, "metadata")))

    def _set_metadata(self, id_: str, metadata: dict[str, str]) -> Document:
        return {"metadata": dict(self._volumes.change(id_, metadata=metadata).metadata)}

    @route("DELETE", "/v3/<project>/volumes/<id_>/metadata/<key>")
    def delete_volume_metadata(
        self, request: Request, project: str, id_: str, key: str
    ) -> Response:
        """Remove an item of a volume's metadata."""
        metadata = self._volumes.require(id_).metadata
        if key not in metadata:
            raise NotFoundError(f"Volume {id_} has no metadata with key {key}.")
        self._volumes.change(id_, metadata={k: v for k, v in metadata.items() if k != key})
        return Response(status=200)

    def _shown(self, volume: Volume) -> Document:
        encrypted = bool(self._volumes.types.require(volume.volume_type).encryption)
        image = self._store.get(Image, volume.image)
        return volume_to_json(volume, image, encrypted=encrypted)

    # Snapshots

    @route("GET", "/v3/<project>/snapshots")
    def list_snapshots(self, request: Request, project: str) -> Document:
        """The snapshots."""
        return self.list_snapshots_in_detail(request, project)

    @route("GET", "/v3/<project>/snapshots/detail")
    def list_snapshots_in_detail(self, request: Request, project: str) -> Document:
        """The snapshots, whole."""
        snapshots = _listed(request, self._snapshots.all())
        return {"snapshots": [snapshot_to_json(snapshot) for snapshot in snapshots]}

    @route("POST", "/v3/<project>/snapshots")
    def create_snapshot(self, request: Request, project: str) -> Response:
        """A new snapshot."""
        body = body_of(request, "snapshot")
        snapshot = self._snapshots.create(parse_snapshot(body), force=flag(body.get("force")))
        return reply({"snapshot": snapshot_to_json(snapshot)}, 202)

    @route("GET", "/v3/<project>/snapshots/<id_>")
    def show_snapshot(self, request: Request, project: str, id_: str) -> Document:
        """One snapshot."""
        return {"snapshot": snapshot_to_json(self._snapshots.require(id_))}

    @route("PUT", "/v3/<project>/snapshots/<id_>")
    def update_snapshot(self, request: Request, project: str, id_: str) -> Document:
        """Change a snapshot's name or description."""
        snapshot = self._snapshots.change(id_, **texts_of(body_of(request, "snapshot")))
        return {"snapshot": snapshot_to_json(snapshot)}

    @route("DELETE", "/v3/<project>/snapshots/<id_>")
    def delete_snapshot(self, request: Request, project: str, id_: str) -> Response:
        """Remove a snapshot."""
        self._snapshots.delete(id_)
        return Response(status=202)

    # Volume types

    @route("GET", "/v3/<project>/types")
    def list_types(self, request: Request, project: str) -> Document:
        """The volume types."""
        return {"volume_types": [volume_type_to_json(each) for each in self._volumes.types.all()]}

    @route("POST", "/v3/<project>/types")
    def create_type(self, request: Request, project: str) -> Document:
        """A new volume type."""
        added = self._volumes.types.add(parse_volume_type(body_of(request, "volume_type")))
        return {"volume_type": volume_type_to_json(added)}

    @route("GET", "/v3/<project>/types/<id_>")
    def show_type(self, request: Request, project: str, id_: str) -> Document:
        """One volume type."""
        types = self._volumes.types
        shown = types.default() if id_ == "default" else types.require(id_)
        return {"volume_type": volume_type_to_json(shown)}

    @route("PUT", "/v3/<project>/types/<id_>")
    def update_type(self, request: Request, project: str, id_: str) -> Document:
        """Change a volume type's name, description or visibility."""
        body = body_of(request, "volume_type")
        fields = texts_of(body)
        if body.get("is_public") is not None:
            fields["is_public"] = flag(body["is_public"])
        changed = self._volumes.types.change(id_, **fields)
        return {"volume_type": volume_type_to_json(changed)}

    @route("DELETE", "/v3/<project>/types/<id_>")
    def delete_type(self, request: Request, project: str, id_: str) -> Response:
        """Remove a volume type."""
        self._volumes.types.delete(id_)
        return Response(status=202)

    @route("GET", "/v3/<project>/types/<id_>/extra_specs")
    def extra_specs(self, request: Request, project: str, id_: str) -> Document:
        """A volume type's extra specs."""
        return {"extra_specs": dict(self._volumes.types.require(id_).extra_specs)}

    @route("POST", "/v3/<project>/types/<id_>/extra_specs")
    def add_extra_specs(self, request: Request, project: str, id_: str) -> Document:
        """Add to a volume type's extra specs."""
        added = parse_metadata(body_of(request, "extra_specs"))
        specs = {**self._volumes.types.require(id_).extra_specs, **added}
        self._volumes.types.set_extra_specs(id_, specs)
        return {"extra_specs": specs}

    @route("DELETE", "/v3/<project>/types/<id_>/extra_specs/<key>")
    def delete_extra_spec(self, request: Request, project: str, id_: str, key: str) -> Response:
        """Remove one of a volume type's extra specs."""
        specs = self._volumes.types.require(id_).extra_specs
        left = {k: v for k, v in specs.items() if k != key}
        self._volumes.types.set_extra_specs(id_, left)
        return Response(status=202)

    # Encryption of a type's volumes, which is kept: a volume is a plain file of this machine

    @route("GET", "/v3/<project>/types/<id_>/encryption")
    def show_encryption(self, request: Request, project: str, id_: str) -> Document:
        """What a volume type says of encryption."""
        return encryption_to_json(self._volumes.types.require(id_))

    @route("POST", "/v3/<project>/types/<id_>/encryption")
    def create_encryption(self, request: Request, project: str, id_: str) -> Document:
        """Let a volume type say something of encryption."""
        types, specs = self._volumes.types, parse_encryption(body_of(request, "encryption"))
        if types.require(id_).encryption:
            raise InvalidRequestError(f"Volume type encryption for type {id_} already exists.")
        return {"encryption": encryption_to_json(types.set_encryption(id_, specs))}

    @route("PUT", "/v3/<project>/types/<id_>/encryption/<key>")
    def update_encryption(self, request: Request, project: str, id_: str, key: str) -> Document:
        """Change what a volume type says of encryption."""
        body = {**self._encryption_of(id_), **body_of(request, "encryption")}
        specs = parse_encryption(body)
        return {"encryption": encryption_to_json(self._volumes.types.set_encryption(id_, specs))}

    @route("DELETE", "/v3/<project>/types/<id_>/encryption/<key>")
    def delete_encryption(self, request: Request, project: str, id_: str, key: str) -> Response:
        """Let a volume type say nothing of encryption."""
        self._encryption_of(id_)
        self._volumes.types.set_encryption(id_, {})
        return Response(status=202)

    def _encryption_of(self, id_: str) -> Document:
        encryption = dict(self._volumes.types.require(id_).encryption)
        if not encryption:
            raise NotFoundError(f"Volume type encryption for type {id_} does not exist.")
        return encryption

    # What else clients ask

    @route("GET", "/v3/<project>/limits")
    def limits(self, request: Request, project: str) -> Document:
        """No limit but the machine's."""
        return {"limits": {"rate": [], "absolute": volume_limits(self._store)}}

    @route("GET", "/v3/<project>/extensions")
    def extensions(self, request: Request, project: str) -> Document:
        """The extensions that Heat asks for."""
        names = (
            "os-types-manage",
            "os-types-extra-specs",
            "os-volume-actions",
            "encryption",
        )
        return {
            "extensions": [
                {"alias": name, "name": name, "description": "", "links": [], "updated": ""}
                for name in names
            ]
        }

    @route("GET", "/v3/<project>/os-availability-zone")
    def zones(self, request: Request, project: str) -> Document:
        """The one zone."""
        return {"availabilityZoneInfo": [zone_to_json()]}


def _listed(request: Request, records: list[_Listed]) -> list[_Listed]:
    """What a list shows: everything, or what the request's parameters choose, on one page."""
    if request.args.get("marker"):
        return []
    for parameter, value_of in _FILTERS.items():
        if parameter in request.args:
            records = [each for each in records if value_of(each) == request.args[parameter]]
    return sorted(records, key=lambda record: record.created, reverse=True)
