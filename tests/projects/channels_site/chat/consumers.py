"""Consumers in the two manners of Channels: asynchronous with groups, and synchronous in threads."""

import threading

from asgiref.sync import async_to_sync
from channels.exceptions import DenyConnection
from channels.generic.websocket import AsyncJsonWebsocketConsumer, WebsocketConsumer


class RoomConsumer(AsyncJsonWebsocketConsumer):
    async def connect(self):
        self.room = self.scope["url_route"]["kwargs"]["room"]
        if self.room == "closed":
            raise DenyConnection()
        await self.channel_layer.group_add(self.room, self.channel_name)
        await self.accept(subprotocol=next(iter(self.scope["subprotocols"]), None))
        await self.send_json({"visits": await self.visits()})

    async def visits(self):
        return self.scope["session"].get("visits", 0)

    async def disconnect(self, code):
        await self.channel_layer.group_discard(self.room, self.channel_name)
        message = {"type": "chat.message", "name": "room", "text": f"one left with {code}"}
        await self.channel_layer.group_send(self.room, message)

    async def receive_json(self, content):
        message = {"type": "chat.message", "name": content["name"], "text": content["text"]}
        await self.channel_layer.group_send(self.room, message)

    async def chat_message(self, event):
        await self.send_json({"name": event["name"], "text": event["text"]})


class ThreadedConsumer(WebsocketConsumer):
    def connect(self):
        self.accept()

    def receive(self, text_data=None, bytes_data=None):
        if text_data == "bye":
            self.close(code=4001, reason="as you wish")
        elif text_data is not None:
            async_to_sync(self.channel_layer.send)(self.channel_name, {"type": "later", "text": text_data})
        else:
            self.send(bytes_data=bytes_data)

    def later(self, event):
        is_main = threading.current_thread() is threading.main_thread()
        self.send(text_data=f"{event['text']} in {'the main' if is_main else 'a'} thread")
