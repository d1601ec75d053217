"""Who may not list a bucket is not told that an object is missing.

AWS: `GetObject` and `HeadObject` of an object that is not there answer 404 to a caller who has
`s3:ListBucket`, and 403 `AccessDenied` to any other.
https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html

The emulator answers 404 to everybody.
"""

from collections.abc import Callable

from ministack import app
from ministack.core import iam_evaluator
from ministack.core.responses import get_region
from ministack.core.router import extract_access_key_id
from ministack.services import s3

_Read = Callable[[str, str, dict, dict], tuple]


def _told_to_those_who_may_list(read: _Read) -> _Read:
    def answer(bucket: str, key: str, headers: dict, query: dict | None = None) -> tuple:
        query = query or {}
        answered = read(bucket, key, headers, query)
        if answered[0] != 404 or _may_list(bucket, extract_access_key_id(headers, query) or ""):
            return answered
        return s3._error("AccessDenied", "Access Denied", 403, f"/{bucket}/{key}")

    return answer


def _may_list(bucket: str, access_key: str) -> bool:
    """Also of a bucket that is not there: that is told to everybody."""
    if not app.AUTH or s3._ensure_bucket(bucket) is None:
        return True
    arn = f"arn:aws:s3:::{bucket}"
    denied = iam_evaluator.enforce(access_key, "s3:ListBucket", "s3", get_region(), arn)
    return denied is None


def install() -> None:
    s3._get_object = _told_to_those_who_may_list(s3._get_object)
    s3._head_object = _told_to_those_who_may_list(s3._head_object)
