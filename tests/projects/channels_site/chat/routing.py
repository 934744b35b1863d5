"""Which consumer answers which WebSocket."""

from django.urls import path

from chat import consumers

websocket_urlpatterns = [
    path("ws/room/<str:room>", consumers.RoomConsumer.as_asgi()),
    path("ws/threaded", consumers.ThreadedConsumer.as_asgi()),
]
