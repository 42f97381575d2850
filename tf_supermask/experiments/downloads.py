"""Time limits for downloads of tensorflow-datasets."""

import contextlib
import queue
import socket
import threading

ANSWER, NEXT = 6.0, 10.0  # seconds that a host has to answer a request, and to send the next bytes

_ALONE = threading.Lock()


@contextlib.contextmanager
def impatient():
    """Context in which a download fails when a host sends nothing for ANSWER or NEXT seconds. Without it, tensorflow-datasets
    tries again for minutes, and waits without limit for a connection that stalls.

    tensorflow-datasets downloads with `requests`, whose adapter gets a time limit here. Name resolution and attempts to connect
    to several addresses have no time limit, so they run in another thread.
    """
    import requests

    adapter, failures = requests.adapters.HTTPAdapter, []

    def send_once(self, request, **settings):
        if failures:  # further requests would fail as slowly
            raise failures[0]
        self.max_retries = self.max_retries.new(total=2, connect=0, read=0)
        error = requests.ConnectTimeout(f"silent for {ANSWER:g} seconds", request=request)
        answer = _within(ANSWER, error, send, self, request, **settings | {"timeout": NEXT})
        if isinstance(answer, BaseException):
            failures.append(answer)
            raise answer
        return answer

    with _ALONE:
        send, timeout, before = adapter.send, socket.getdefaulttimeout(), set(threading.enumerate())
        adapter.send = send_once
        socket.setdefaulttimeout(NEXT)  # for urllib
        try:
            yield
        finally:
            adapter.send = _refusing(send, failures[0], set(threading.enumerate()) - before) if failures else send
            socket.setdefaulttimeout(timeout)


def _refusing(send, failure, threads):
    """`send`, but `failure` in the `threads` of a download that failed: they would try its other files, and keep the process from
    ending."""

    def send_or_fail(self, request, **settings):
        if threading.current_thread() in threads:
            raise failure
        return send(self, request, **settings)

    return send_or_fail


def _within(seconds, late, function, *arguments, **settings):
    """Result or exception of a function; `late` where it takes more than `seconds`, and goes on in its thread."""
    results = queue.SimpleQueue()

    def run():
        try:
            results.put(function(*arguments, **settings))
        except BaseException as error:
            results.put(error)

    threading.Thread(target=run, daemon=True).start()
    try:
        return results.get(timeout=seconds)
    except queue.Empty:
        return late
