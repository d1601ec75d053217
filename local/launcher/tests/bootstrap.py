"""A custom-runtime function that does what its event says, in order.

`{"do": [["call", client, operation, arguments], ["print", text], ["sleep", seconds],
["fail", type], ["exit", code], ["environment", name, ...], ["pid"], ["loop", queue, rounds]]}`, and
returns what the last step gave. An SQS batch holds such an event in each body.
"""

import json
import os
import sys
import time
import urllib.request

import botocore.session

RUNTIME = f"http://{os.environ['AWS_LAMBDA_RUNTIME_API']}/2018-06-01/runtime"


class Failure(Exception):
    pass


def handle(event: dict) -> object:
    if "Records" in event:
        return [handle(json.loads(record["body"])) for record in event["Records"]]
    result = None
    for what, *arguments in event["do"]:
        if what == "call":
            client, operation, request = arguments
            client = botocore.session.get_session().create_client(client)
            result = getattr(client, operation)(**request)
            result.pop("ResponseMetadata")
        elif what == "print":
            print(arguments[0], flush=True)
        elif what == "sleep":
            time.sleep(arguments[0])
        elif what == "exit":
            sys.exit(arguments[0])
        elif what == "fail":
            raise Failure(arguments[0])
        elif what == "environment":
            result = {name: os.environ.get(name) for name in arguments}
        elif what == "loop":
            queue, rounds = arguments
            print("round", flush=True)
            body = json.dumps({"do": [["loop", queue, rounds - 1]]})
            if rounds > 1:
                sqs = botocore.session.get_session().create_client("sqs")
                sqs.send_message(QueueUrl=queue, MessageBody=body)
        elif what == "pid":
            print(os.getpid(), flush=True)
    return result


def post(path: str, body: object) -> None:
    data = json.dumps(body, default=str).encode()
    urllib.request.urlopen(urllib.request.Request(f"{RUNTIME}/{path}", data)).close()


while True:
    with urllib.request.urlopen(f"{RUNTIME}/invocation/next") as response:
        request_id = response.headers["Lambda-Runtime-Aws-Request-Id"]
        # As a runtime does, so that the SDK hands the trace on.
        os.environ["_X_AMZN_TRACE_ID"] = response.headers["Lambda-Runtime-Trace-Id"] or ""
        event = json.load(response)
    try:
        result = handle(event)
    except Failure as failure:
        error = {"errorType": str(failure), "errorMessage": "as told"}
        post(f"invocation/{request_id}/error", error)
    except Exception as bug:
        error = {"errorType": type(bug).__name__, "errorMessage": str(bug)}
        post(f"invocation/{request_id}/error", error)
    else:
        post(f"invocation/{request_id}/response", result)
