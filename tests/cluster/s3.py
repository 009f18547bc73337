"""A real S3 server on loopback, and ways to make it fail as servers do."""

from __future__ import annotations

import logging
import threading
from contextlib import contextmanager

import fsspec
from moto.core import DEFAULT_ACCOUNT_ID
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from moto.s3.models import s3_backends
from werkzeug.serving import make_server

logging.getLogger("werkzeug").setLevel(logging.ERROR)

_REFUSAL = b"<?xml version='1.0'?><Error><Code>%s</Code><Message>as told by the test</Message></Error>"


class S3:
    """An S3 server. `refuse` answers requests that fit with an error, before the store sees them."""

    def __init__(self) -> None:
        self._app = DomainDispatcherApplication(create_backend_app)
        self._server = make_server("127.0.0.1", 0, self._answer, threaded=True, request_handler=MotoRequestHandler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._rule = None
        self.puts: list[str] = []
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def environment(self) -> dict[str, str]:
        """What a process needs to reach it."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "access",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_MAX_ATTEMPTS": "1",
        }

    def bucket(self, name: str) -> str:
        """Make a bucket."""
        s3_backends[DEFAULT_ACCOUNT_ID]["aws"].create_bucket(name, "us-east-1")
        return name

    @contextmanager
    def refuse(self, fits, status: str = "403 Forbidden", code: bytes = b"AccessDenied"):
        """Within the block, answer with an error where `fits(method, path)`."""
        self._rule = (fits, status, _REFUSAL % code)
        try:
            yield
        finally:
            self._rule = None

    def objects(self, bucket: str) -> dict[str, bytes]:
        """What stands in a bucket, read behind the server's back."""
        found = s3_backends[DEFAULT_ACCOUNT_ID]["aws"].buckets[bucket].keys
        return {name: found[name].value for name in found}

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, environ, start_response):
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        if self._rule and self._rule[0](method, path):
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            start_response(self._rule[1], [("Content-Type", "application/xml")])
            return [self._rule[2]]
        if method == "PUT":
            self.puts.append(path)
        return self._app(environ, start_response)


def forget_clients() -> None:
    """fsspec keeps a client for each protocol, with the endpoint that it once had."""
    fsspec.get_filesystem_class("s3").clear_instance_cache()
