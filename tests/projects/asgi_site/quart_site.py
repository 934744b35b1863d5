"""Quart: Flask's manner on ASGI, with a WebSocket."""

from quart import Quart, jsonify, request, websocket

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


@app.websocket("/room/<int:number>")
async def room(number):
    await websocket.accept(subprotocol=websocket.requested_subprotocols[0], headers={"X-Room": str(number)})
    while True:
        message = await websocket.receive()
        if message == "bye":
            await websocket.close(4001, "as you wish")
        elif isinstance(message, bytes):
            await websocket.send(message[::-1])
        else:
            await websocket.send_json({"room": number, "heard": message})


@app.websocket("/private")
async def private():
    return "not for you", 401
