"""Inputs at web addresses: what is not there is rejected, and a server that fails costs no input."""

import contextlib
import http.server
import socket
import threading

import pytest

from medcutmix_pipeline.errors import DataError
from medcutmix_pipeline.sources.reading import ReadFailedError, UnusableInputError, read_bytes
from tests.builds import run_build
from tests.pipeline import fitted_once, manifests

CHANGES = {
    "source": {"kind": "manifest"},
    "attention": {"encoder": fitted_once.NAME},
    "shards": {"samples_per_shard": 12, "image_size": 40},
}


@contextlib.contextmanager
def serving(answer):
    """A web server; `answer` gives status and content for a path. Yields its address."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            status, content = answer(self.path)
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(content)

        def do_HEAD(self):
            self.do_GET()

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def address():
    """A server that answers with the status that its path names."""
    with serving(lambda path: (int(path.strip("/")), b"picture")) as address:
        yield address


def test_what_a_server_gives_is_read(address):
    assert read_bytes(f"{address}/200", 100) == b"picture"


@pytest.mark.parametrize("status", [404, 410])
def test_what_a_server_does_not_have_is_missing(address, status):
    with pytest.raises(UnusableInputError, match="image-missing"):
        read_bytes(f"{address}/{status}", 100)


@pytest.mark.parametrize(
    ("status", "told"),
    [(401, "Unauthorized"), (403, "Forbidden"), (429, "Too Many Requests"), (500, "Server"), (503, "Unavailable")],
)
def test_what_a_server_does_not_give_now_is_not_missing(address, status, told):
    with pytest.raises(ReadFailedError, match=rf"the server answers {status} .*{told}.*run the build again") as failed:
        read_bytes(f"{address}/{status}", 100)
    assert address not in str(failed.value), "an address may name a patient"


def test_a_server_that_does_not_answer_is_not_a_missing_file():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))  # not listening, so that a connection is refused
        with pytest.raises(ReadFailedError, match="no server answers"):
            read_bytes(f"http://127.0.0.1:{free.getsockname()[1]}/picture.png", 100)


def test_a_build_ends_when_a_server_fails_and_goes_on_when_it_is_back(built, tmp_path, monkeypatch):
    monkeypatch.setenv(fitted_once.FOLDER, str(built / "encoder"))
    root, pictures, up = tmp_path / "studies", tmp_path / "pictures", False
    manifests.write_corpus(pictures)
    files = {f"/{n}.png": path.read_bytes() for n, path in enumerate(sorted(pictures.glob("*.png")))}

    def answer(path):
        return (200, files[path]) if up or path != "/3.png" else (503, b"")

    with serving(answer) as address:
        table = (pictures / "studies.csv").read_text(encoding="utf-8")
        for n, path in enumerate(sorted(pictures.glob("*.png"))):
            table = table.replace(path.name, f"{address}/{n}.png")
        root.mkdir()
        (root / "studies.csv").write_text(table, encoding="utf-8")
        with pytest.raises(DataError, match="503"):
            run_build(root, tmp_path / "out", **CHANGES)
        assert not (tmp_path / "out" / "dataset.json").exists()
        up = True
        manifest, _ = run_build(root, tmp_path / "out", **CHANGES)
    assert manifest.counts.samples == len(files) - 1, "one picture ends too early"
    assert set(manifest.counts.rejects) == {"image-truncated", "study-without-usable-image"}
