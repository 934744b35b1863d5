"""Quart: Flask's manner on ASGI."""

from quart import Quart, jsonify, request

app = Quart(__name__)


@app.route("/")
async def home():
    return jsonify(hello=request.args.get("name", "nobody"))


@app.route("/echo", methods=["POST"])
async def echo():
    return await request.get_data(), 201, {"X-Length": str(len(await request.get_data()))}


@app.route("/stream")
async def stream():
    async def blocks():
        for number in range(50):
            yield f"block {number}\n"

    return blocks()
