"""Downloads from hosts that are silent, slow or not there."""

import contextlib
import http.server
import socket
import threading
import time

import pytest
import requests
from pictures import pictures

from tf_supermask.errors import InputError
from tf_supermask.experiments import data, downloads


@contextlib.contextmanager
def server(handle):
    """`http://host:port/` of a server on this machine that answers each request with `handle(handler)`."""
    kind = type("Handler", (http.server.BaseHTTPRequestHandler,), {"do_GET": handle, "log_message": lambda *_: None})
    its = http.server.ThreadingHTTPServer(("127.0.0.1", 0), kind)
    its.daemon_threads, its.block_on_close = True, False
    threading.Thread(target=its.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{its.server_port}/pictures.bin"
    finally:
        its.shutdown()
        its.server_close()


def _sends(handler, length, content=b"x" * 1000):
    handler.send_response(200)
    handler.send_header("Content-Length", length)
    handler.end_headers()
    handler.wfile.write(content)


def silent(handler):
    time.sleep(30)


def stalling(handler):
    _sends(handler, 10_000)
    time.sleep(30)


def unwell(handler):
    handler.send_error(503)


def moved(handler):
    handler.send_error(404)


@pytest.mark.parametrize(
    "handle, reason",
    [(silent, "no answer from 127.0.0.1"), (stalling, "timed out"), (unwell, "no answer|503"), (moved, "404")],
)
def test_a_download_from_a_host_that_does_not_serve_fails_soon(handle, reason, tmp_path, monkeypatch):
    monkeypatch.setattr(downloads, "ANSWER", 0.5)
    monkeypatch.setattr(downloads, "NEXT", 0.5)
    with server(handle) as url:
        name = pictures(tmp_path, prepare=False, URL=url).name
        began = time.monotonic()
        with pytest.raises(InputError, match=f"^data set '{name}' cannot be had here [^\n]*({reason})[^\n]*$"):
            data.load(name, tmp_path)
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("address", ["http://127.0.0.1:9/", "http://no-such-host.invalid/"])
def test_a_host_that_is_not_there_fails_soon(address, tmp_path):
    name = pictures(tmp_path, prepare=False, URL=[f"{address}{i}.zip" for i in range(60)]).name
    began = time.monotonic()
    with pytest.raises(InputError, match=f"'{name}' cannot be had here .*no answer from {address[7:16]}"):
        data.load(name, tmp_path)
    assert time.monotonic() - began < 10


def test_looking_up_a_name_is_limited_too(tmp_path, monkeypatch):
    monkeypatch.setattr(downloads, "ANSWER", 0.3)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: time.sleep(10))
    name = pictures(tmp_path, prepare=False, URL="http://lost.invalid/x").name
    began = time.monotonic()
    with pytest.raises(InputError, match="no answer from lost.invalid"):
        data.load(name, tmp_path)
    assert time.monotonic() - began < 5


def test_a_download_that_is_slow_but_comes_is_not_given_up(tmp_path, monkeypatch):
    def slow(handler):
        _sends(handler, 5000)
        for _ in range(4):
            time.sleep(0.3)
            handler.wfile.write(b"x" * 1000)
            handler.wfile.flush()

    monkeypatch.setattr(downloads, "NEXT", 0.6)
    with server(slow) as url:
        name = pictures(tmp_path, prepare=False, URL=url).name
        assert len(data.load(name, tmp_path).train_images) == 12


def test_afterwards_requests_is_as_before():
    before = requests.adapters.HTTPAdapter.send, socket.getdefaulttimeout()
    with pytest.raises(KeyError), downloads.impatient():
        assert requests.adapters.HTTPAdapter.send is not before[0]
        raise KeyError
    assert (requests.adapters.HTTPAdapter.send, socket.getdefaulttimeout()) == before


def test_threads_of_a_failed_download_do_not_go_on(monkeypatch):
    """They would keep the process from ending; other threads are served as before."""
    calls, go_on, outcomes = [], threading.Event(), []

    def send(self, request, **settings):
        calls.append(threading.current_thread())
        if len(calls) == 1:
            raise requests.ConnectionError("no network")
        return "answer"

    def late():
        go_on.wait()
        try:
            outcomes.append(requests.adapters.HTTPAdapter.send(requests.adapters.HTTPAdapter(), None))
        except requests.ConnectionError as error:
            outcomes.append(error)

    monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", send)
    with pytest.raises(requests.ConnectionError), downloads.impatient():
        thread = threading.Thread(target=late)
        thread.start()
        requests.adapters.HTTPAdapter().send(None)
    go_on.set()
    thread.join()
    assert str(outcomes[0]) == "no network" and len(calls) == 1
    assert requests.adapters.HTTPAdapter().send(None) == "answer"
