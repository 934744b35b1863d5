"""`--reload`: changes of sources are seen, and what is wrong with one is shown until it is mended."""

from __future__ import annotations

from pathlib import Path

import pytest
from harness import Server, StartServer
from harness.processes import wait_until

PATIENCE = 60.0


def write(path: Path, text: str) -> None:
    """Renamed into place: a half-written file is a change of its own."""
    temporary = path.with_suffix(".new")
    temporary.write_text(text)
    temporary.rename(path)


def saying(text: str) -> str:
    return f"def app(environ, start_response):\n    start_response('200 OK', [])\n    return [b'{text}']\n"


def started(start_server: StartServer, directory: Path, *options: str) -> Server:
    return start_server("gunicorn", "-b", "{tcp}", "--reload", *options, "changing:app", cwd=directory)


def answers(server: Server, text: bytes) -> bool:
    return wait_until(lambda: text in server.get("/").body, PATIENCE, every=0.05)


@pytest.mark.parametrize("worker_class", ["sync", "gthread", "gevent"])
@pytest.mark.parametrize("engine", ["auto", "poll", "inotify"])
def test_a_changed_module_is_served(start_server: StartServer, tmp_path: Path, engine: str, worker_class: str) -> None:
    write(tmp_path / "changing.py", saying("one"))
    server = started(start_server, tmp_path, "--reload-engine", engine, "-k", worker_class)
    assert server.get("/").body == b"one"
    write(tmp_path / "changing.py", saying("two"))
    assert answers(server, b"two")
    assert f"Worker reloading: {tmp_path}/changing.py modified" in server.log
    assert "Reloader is on. Use in development only!" in server.log


@pytest.mark.parametrize("named", ["extra.txt", "*.txt", "**/*.txt"])
def test_an_extra_file_or_one_that_a_glob_fits_reloads(start_server: StartServer, tmp_path: Path, named: str) -> None:
    write(tmp_path / "changing.py", "read = open('extra.txt').read()\n" + saying("' + read.encode() + b'"))
    write(tmp_path / "extra.txt", "one")
    server = started(start_server, tmp_path, "--reload-extra-file", named)
    assert server.get("/").body == b"one"
    write(tmp_path / "extra.txt", "two")
    assert answers(server, b"two")


def test_a_syntax_error_is_shown_until_it_is_mended(start_server: StartServer, tmp_path: Path) -> None:
    source = tmp_path / "changing.py"
    write(source, saying("one"))
    server = started(start_server, tmp_path)
    assert server.get("/").body == b"one"
    write(source, "def app(:\n")
    assert answers(server, b"SyntaxError: ")
    page = server.get("/")
    assert page.status == 500
    assert f'File "{source}", line 1'.encode() in page.body
    assert "SyntaxError: " in server.log
    write(source, "def app(]:\n")
    assert answers(server, b"def app(]:")
    write(source, saying("two"))
    assert answers(server, b"two")


def test_a_syntax_error_at_start_is_shown_until_it_is_mended(start_server: StartServer, tmp_path: Path) -> None:
    write(tmp_path / "helper.py", "def broken(:\n")
    write(tmp_path / "changing.py", "import helper\n" + saying("mended"))
    server = started(start_server, tmp_path)
    assert server.get("/").status == 500
    assert b"def broken(:" in server.get("/").body
    write(tmp_path / "helper.py", "")
    assert answers(server, b"mended")


def test_another_exception_in_a_changed_module_leaves_the_old_code_serving(
    start_server: StartServer, tmp_path: Path
) -> None:
    write(tmp_path / "changing.py", saying("one"))
    server = started(start_server, tmp_path)
    write(tmp_path / "changing.py", "1 / 0\n")
    server.wait_for_log("Reload failed, the old workers stay")
    assert server.get("/").body == b"one"
    write(tmp_path / "changing.py", saying("two"))
    assert answers(server, b"two")


def test_uwsgi_leaves_modules_out_that_it_is_told_to_ignore(start_server: StartServer, tmp_path: Path) -> None:
    write(tmp_path / "ignored.py", "")
    write(tmp_path / "changing.py", "import ignored\n" + saying("one"))
    words = ("--py-autoreload", "1", "--py-auto-reload-ignore", "ignored", "--module", "changing:app", "--master")
    server = start_server("uwsgi", "--http-socket", "{tcp}", *words, cwd=tmp_path)
    assert server.get("/").body == b"one"
    write(tmp_path / "ignored.py", "one = 1\n")
    write(tmp_path / "changing.py", "import ignored\n" + saying("two"))
    assert answers(server, b"two")
    assert f"{tmp_path}/changing.py" in server.log and "ignored.py" not in server.log
