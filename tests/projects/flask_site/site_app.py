"""One route for each thing a site does, in Flask."""

import hashlib
import io
import os
from pathlib import Path
from wsgiref.validate import validator

from flask import Flask, Response, jsonify, redirect, render_template_string, request, send_file, session

app = Flask(__name__)
app.secret_key = "only for tests"
PICTURE = Path(__file__).resolve().parent / "picture.bin"


@app.get("/")
def index():
    return "index", {"Content-Type": "text/plain"}


@app.get("/worker")
def worker():
    return str(os.getpid())


@app.get("/hello/<name>/")
def hello(name):
    return jsonify(name=name, q=request.args.get("q"), url=request.url)


@app.route("/form", methods=["GET", "POST"])
def form():
    return jsonify(method=request.method, fields=request.form.to_dict(flat=False))


@app.post("/json")
def echo_json():
    return jsonify(got=request.get_json())


@app.post("/upload")
def upload():
    sent = request.files["document"]
    digest, size = hashlib.sha256(), 0
    while part := sent.stream.read(1 << 16):
        digest.update(part)
        size += len(part)
    return jsonify(name=sent.filename, size=size, sha256=digest.hexdigest(), title=request.form.get("title"))


@app.get("/stream")
def stream():
    return Response((f"line {number}\n" for number in range(1000)), mimetype="text/plain")


@app.get("/file")
def file():
    return send_file(PICTURE, as_attachment=True, download_name="picture.bin")


@app.get("/redirect")
def away():
    return redirect("/hello/moved/?q=1")


@app.get("/visits")
def visits():
    session["visits"] = session.get("visits", 0) + 1
    response = Response(str(session["visits"]))
    response.set_cookie("colour", "blue")
    response.set_cookie("taste", "salt")
    return response


@app.get("/error")
def error():
    raise RuntimeError("a bug in the site")


@app.get("/page")
def page():
    return render_template_string("<h1>Hello {{ name }}</h1>\n", name="<you>")


def read_in_one(environ, start_response):
    """Werkzeug calls ``readinto``, which PEP 3333 does not have and the validator objects to: read the body before."""
    if "CONTENT_LENGTH" in environ:
        environ["wsgi.input"] = io.BytesIO(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
    return app(environ, start_response)


validated = validator(read_in_one)
