"""A small Flask application: ``penstock gunicorn --chdir examples flask_app:app``."""

from flask import Flask, jsonify, request

app = Flask(__name__)


@app.get("/")
def hello():
    """Say hello to whoever asks."""
    return jsonify(message="Hello from Flask behind the penstock")


@app.post("/length")
def length():
    """Tell how many bytes the body of the request has."""
    return jsonify(bytes=len(request.get_data()))
