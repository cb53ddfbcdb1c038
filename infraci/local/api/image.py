"""Image v2: the images that the embedded cloud knows, by name.

Any name that could be an image's (a recipe of ours, or an OCI reference) is shown when it is asked
for; what it takes to have it on this machine is done when the first server needs it.
Source: https://docs.openstack.org/api-ref/image/v2/
"""

from __future__ import annotations

import uuid
from collections.abc import Callable

from werkzeug.wrappers import Request, Response

from infraci.local.api.web import Api, Document, reply, route
from infraci.local.domain.records import Image
from infraci.local.domain.store import Store
from infraci.local.errors import NotFoundError


class ImageApi(Api):
    """Images by name; ``is_known`` says whether a name can be an image, ``names`` lists some."""

    error_key = "error"

    def __init__(
        self,
        store: Store,
        is_valid_token: Callable[[str | None], bool],
        *,
        is_known: Callable[[str], bool],
        names: Callable[[], list[str]],
    ) -> None:
        super().__init__(is_valid_token)
        self._store = store
        self._is_known = is_known
        self._names = names

    @route("GET", "/")
    def versions(self, request: Request) -> Response:
        """The one version there is."""
        link = {"rel": "self", "href": request.root_url.rstrip("/") + "/v2/"}
        return reply({"versions": [{"id": "v2.9", "status": "CURRENT", "links": [link]}]}, 300)

    @route("GET", "/v2/images")
    def find(self, request: Request) -> Document:
        """The images of one name, or all that were named so far."""
        name = request.args.get("name", "").removeprefix("in:").strip('"')
        if name:
            images = [self._image(name)] if self._is_known(name) else []
        else:
            for each in self._names():
                self._image(each)
            images = self._store.find(Image)
        shown = [_to_json(image) for image in images]
        return {"images": shown, "schema": "/v2/schemas/images", "first": "/v2/images"}

    @route("GET", "/v2/images/<id_>")
    def show(self, request: Request, id_: str) -> Document:
        """One image."""
        image = self._store.get(Image, id_)
        if image is None:
            raise NotFoundError(f"No image found with ID {id_}")
        return _to_json(image)

    @route("GET", "/v2/schemas/<name>")
    def schema(self, request: Request, name: str) -> Document:
        """The schema by which clients make objects of images."""
        return {"name": name, "properties": {}, "additionalProperties": {"type": "string"}}

    def _image(self, name: str) -> Image:
        id_ = str(uuid.uuid5(uuid.NAMESPACE_URL, f"infraci:image:{name}"))
        image = self._store.get(Image, id_)
        return image or self._store.put(Image(id=id_, name=name))


def _to_json(image: Image) -> Document:
    return {
        "id": image.id,
        "name": image.name,
        "status": "active",
        "visibility": "public",
        "protected": True,
        "container_format": "bare",
        "disk_format": "raw",
        "min_disk": 0,
        "min_ram": 0,
        "size": 0,
        "tags": [],
        "owner": None,
        "created_at": "2026-01-01T00:00:00Z",
        "updated_at": "2026-01-01T00:00:00Z",
        "file": f"/v2/images/{image.id}/file",
        "schema": "/v2/schemas/image",
        "self": f"/v2/images/{image.id}",
    }
