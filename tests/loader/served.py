"""A dataset over HTTP, from a server that makes the troubles that a test asks for."""

from __future__ import annotations

import contextlib
import socket
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer


class Handler(SimpleHTTPRequestHandler):
    """Serves a folder; `server.troubles` holds, for a path, what goes wrong before it is served: methods, or calls."""

    def do_GET(self):
        path = self.path.split("?")[0]
        self.server.asked.append(path)
        waiting = self.server.troubles.get(path, [])
        if waiting:
            trouble = waiting.pop(0)
            trouble(self) if callable(trouble) else getattr(self, trouble)()
        else:
            super().do_GET()

    def busy(self):
        self.send_error(500)

    def answer(self, code, **headers):
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def unwanted(self):
        """Nobody wants to know any more, when the answer comes."""
        self.server.stopped.set()
        self.send_error(500)

    def unwanted_endless(self):
        self.server.stopped.set()
        self.endless()

    def cut(self):
        self.send_response(200)
        self.send_header("Content-Length", "100000")
        self.end_headers()
        self.wfile.write(b"x" * 600)
        self.close_connection = True

    def cut_in_a_chunk(self):
        self.protocol_version = "HTTP/1.1"
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(b"400\r\n" + b"x" * 600)
        self.close_connection = True

    def nonsense(self):
        self.wfile.write(b"This is no HTTP.\r\n\r\n")
        self.close_connection = True

    def hang_up(self):
        self.connection.shutdown(socket.SHUT_RDWR)
        self.close_connection = True

    def endless(self):
        self.send_response(200)
        self.end_headers()
        for _ in range(64):
            self.wfile.write(b"x" * 65536)
        self.close_connection = True

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    """Says nothing of clients that hang up: the tests make them do so."""

    def handle_error(self, *_):
        pass


@contextlib.contextmanager
def serving(folder):
    """A server of a folder: its `url`, the paths that were `asked` for, and `troubles` by path."""
    with Server(("127.0.0.1", 0), partial(Handler, directory=str(folder))) as served:
        served.troubles, served.asked, served.stopped = {}, [], threading.Event()
        served.url = f"http://127.0.0.1:{served.server_port}"
        thread = threading.Thread(target=served.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield served
        served.shutdown()
        thread.join()


def one_line(caught) -> str:
    """What an error says, which must be a line that can be read."""
    message = str(caught.value)
    assert "\n" not in message
    assert 10 < len(message) < 300
    return message
