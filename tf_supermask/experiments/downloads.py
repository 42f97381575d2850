"""Downloads that fail soon where nothing comes."""

import contextlib
import queue
import socket
import threading

ANSWER, NEXT = 6.0, 10.0  # seconds that a host has to answer a request, and to send the next bytes

_ALONE = threading.Lock()


@contextlib.contextmanager
def impatient():
    """Within it a download fails for good where a host is silent for ANSWER or NEXT: tensorflow-datasets itself tries again for
    minutes, and waits forever for a connection that stalls.

    It downloads with `requests`, whose adapter gets a limit here. Looking up a name and trying a host's addresses know no
    limit, which is why another thread waits for them.
    """
    import requests

    adapter, failures = requests.adapters.HTTPAdapter, []

    def send_once(self, request, **settings):
        if failures:  # the rest would fail as slowly
            raise failures[0]
        self.max_retries = self.max_retries.new(total=2, connect=0, read=0)
        error = requests.ConnectTimeout(f"silent for {ANSWER:g} seconds", request=request)
        answer = _within(ANSWER, error, send, self, request, **settings | {"timeout": NEXT})
        if isinstance(answer, BaseException):
            failures.append(answer)
            raise answer
        return answer

    with _ALONE:
        send, limit = adapter.send, socket.getdefaulttimeout()
        adapter.send = send_once
        socket.setdefaulttimeout(NEXT)  # for urllib
        try:
            yield
        finally:
            adapter.send = send
            socket.setdefaulttimeout(limit)


def _within(seconds, late, function, *arguments, **settings):
    """What a function returns or raises, or `late` where it takes longer: it then goes on in a thread that nobody waits for."""
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
