"""What is not a WebSocket: an asynchronous view that speaks into a room, and one that counts in the session."""

from channels.layers import get_channel_layer
from django.http import JsonResponse
from django.views.decorators.csrf import csrf_exempt


@csrf_exempt
async def say(request, room):
    message = {"type": "chat.message", "name": "view", "text": request.body.decode()}
    await get_channel_layer().group_send(room, message)
    return JsonResponse({"said": room})


def visits(request):
    request.session["visits"] = request.session.get("visits", 0) + 1
    return JsonResponse({"visits": request.session["visits"]})
