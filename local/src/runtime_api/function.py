#!/usr/bin/env python3
"""A function that does what its event says, for the tests of the Runtime API's double."""

import json
import os
import sys
import time
from http.client import HTTPConnection

API = "/2018-06-01/runtime"
platform = HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])


def call(method, path, body=None):
    platform.request(method, API + path, body)
    response = platform.getresponse()
    return response.headers, response.read()


def handle(request_id, deadline, payload):
    match json.loads(payload):
        case {"answer": answer}:
            print(json.dumps({"_aws": {}, "request_id": request_id}), flush=True)
            return "response", answer
        case "environment":
            return "response", dict(os.environ)
        case "left":
            return "response", deadline / 1000 - time.time()
        case "hang":
            time.sleep(60)
        case "exit":
            sys.exit(3)
        case other:
            return "error", {"errorType": "Permanent", "errorMessage": f"{other} is not understood"}


match os.environ.get("START"):
    case "broken":
        sys.exit("environment variable LEDGER_TABLE is not set")
    case "refused":
        call("POST", "/init/error", json.dumps({"errorType": "Config", "errorMessage": "no table"}))
        sys.exit(1)

while True:
    headers, payload = call("GET", "/invocation/next")
    request_id = headers["Lambda-Runtime-Aws-Request-Id"]
    try:
        verb, answer = handle(request_id, int(headers["Lambda-Runtime-Deadline-Ms"]), payload)
    except ValueError as error:
        verb, answer = "error", {"errorType": "Event", "errorMessage": str(error)}
    call("POST", f"/invocation/{request_id}/{verb}", json.dumps(answer))
