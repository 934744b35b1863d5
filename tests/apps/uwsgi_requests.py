"""What a WSGI application does with its request through ``import uwsgi``, a path for each."""

import threading
import time

import uwsgi

finished = []


def after():
    finished.append(uwsgi.env["PATH_INFO"])
    uwsgi.set_logvar("late", "after the answer")


uwsgi.after_req_hook = after


def echo():
    uwsgi.websocket_handshake()
    while True:
        message = uwsgi.websocket_recv()
        if message == b"leave":
            return b""
        if message == b"fail":
            raise RuntimeError("this application fails")
        if message == b"kind":
            uwsgi.websocket_send_binary(b"\x00\xff")
        else:
            uwsgi.websocket_send(message)


def polling():
    """As uWSGI's own example of a chat: waits at descriptors, then looks what has come."""
    uwsgi.websocket_handshake(uwsgi.env.get("HTTP_SEC_WEBSOCKET_KEY"), uwsgi.env.get("HTTP_ORIGIN", ""))
    client, rounds = uwsgi.connection_fd(), 0
    while True:
        uwsgi.wait_fd_read(client, 1)
        uwsgi.suspend()
        rounds += 1
        if uwsgi.ready_fd() not in (client, -1):
            raise AssertionError(uwsgi.ready_fd())
        message = uwsgi.websocket_recv_nb()
        if message:
            uwsgi.websocket_send("%d %s" % (min(rounds, 1), message.decode()))


def generator():
    uwsgi.websocket_handshake(None, None, "b")
    yield b""
    while True:
        uwsgi.websocket_send(uwsgi.websocket_recv())
        yield b""


def two_threads():
    """One thread receives, another sends."""
    uwsgi.websocket_handshake()
    context = uwsgi.request_context()

    def tick():
        for number in range(3):
            uwsgi.websocket_send(str(number), request_context=context)
            time.sleep(0.01)

    ticking = threading.Thread(target=tick)
    ticking.start()
    message = uwsgi.websocket_recv()
    ticking.join()
    uwsgi.websocket_send(message)
    return b""


def flood():
    uwsgi.websocket_handshake()
    for _ in range(64):
        uwsgi.websocket_send_binary(b"x" * (1 << 20))
    return b""


def application(environ, start_response):
    path = environ["PATH_INFO"]
    sockets = {"/echo": echo, "/polling": polling, "/generator": generator, "/threads": two_threads, "/flood": flood}
    if path in sockets:
        return sockets[path]()
    start_response("200 OK", [("Content-Type", "text/plain")])
    if path == "/disconnect":
        write = start_response.__self__.write
        write(b"this is all")
        uwsgi.disconnect()
        deadline = time.monotonic() + 30
        while not release.is_set() and time.monotonic() < deadline:
            release.wait(0.1)
        finished.append("worked on")
        return [b"this goes nowhere" * 100000]
    if path == "/release":
        release.set()
        return [b""]
    if path == "/log":
        uwsgi.set_logvar("who", b"somebody")
        uwsgi.add_var("COLOUR", "blue")
        known = [uwsgi.get_logvar("who"), uwsgi.get_logvar("none"), environ["COLOUR"]]
        return [repr(known).encode()]
    if path == "/chunks":
        parts = []
        while part := uwsgi.chunked_read():
            parts.append(part)
        return [repr((b"".join(parts), uwsgi.chunked_read_nb(), uwsgi.cl())).encode()]
    if path == "/file":
        return uwsgi.sendfile(__file__)
    if path == "/descriptor":
        return [repr((uwsgi.connection_fd() > 2, uwsgi.is_connected(uwsgi.connection_fd()))).encode()]
    return [repr(finished).encode()]


release = threading.Event()
