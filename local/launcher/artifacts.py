"""The bucket that deployments upload to, kept in a folder from one emulator to the next.

Packing the functions takes longer than deploying them, and what is packed changes only when the code
does. So every object of this bucket is also a file, and a new emulator begins with those.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from ministack import app
from ministack.services import s3


def create_bucket(name: str, folder: Path | None) -> None:
    require(
        app.call_service_handler_sync(
            app.SERVICE_HANDLERS["s3"], "PUT", f"/{name}", {"host": "127.0.0.1"}, b"", {}
        ),
        f"the bucket {name}",
    )
    if folder is None:
        return
    folder.mkdir(parents=True, exist_ok=True)
    for file in folder.iterdir():
        require(s3._put_object(name, unquote(file.name), file.read_bytes(), {}), file)

    def kept(upload: Callable[..., tuple]) -> Callable[..., tuple]:
        def upload_and_keep(bucket: str, key: str, *rest: Any) -> tuple:
            answer = upload(bucket, key, *rest)
            if bucket == name and answer[0] == 200 and not key.endswith(".template"):
                content = s3._buckets.get(bucket)["objects"][key]["body"]
                (folder / quote(key, safe="")).write_bytes(content)
            return answer

        return upload_and_keep

    s3._put_object = kept(s3._put_object)
    s3._complete_multipart_upload = kept(s3._complete_multipart_upload)


def require(answer: tuple, what: object) -> None:
    status, _, body = answer
    if status != 200:
        raise SystemExit(f"cannot create {what}: {body.decode(errors='replace')}")
