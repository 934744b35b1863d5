"""One view for each thing a site does."""

import hashlib
import json
import os

from django.conf import settings
from django.http import FileResponse, HttpResponse, HttpResponseRedirect, JsonResponse, StreamingHttpResponse
from django.shortcuts import render
from django.views.decorators.csrf import csrf_exempt


def index(request):
    return HttpResponse(f"index in {settings.PLACE}", content_type="text/plain")


def worker(request):
    return HttpResponse(str(os.getpid()), content_type="text/plain")


def hello(request, name):
    return JsonResponse({"name": name, "q": request.GET.get("q"), "url": request.build_absolute_uri()})


@csrf_exempt
def form(request):
    return JsonResponse({"method": request.method, "fields": dict(request.POST.lists())})


@csrf_exempt
def echo_json(request):
    return JsonResponse({"got": json.loads(request.body)})


@csrf_exempt
def upload(request):
    sent = request.FILES["document"]
    digest = hashlib.sha256()
    for part in sent.chunks():
        digest.update(part)
    return JsonResponse(
        {"name": sent.name, "size": sent.size, "sha256": digest.hexdigest(), "title": request.POST.get("title")}
    )


def stream(request):
    return StreamingHttpResponse((f"line {number}\n" for number in range(1000)), content_type="text/plain")


def file(request):
    return FileResponse((settings.BASE_DIR / "picture.bin").open("rb"), as_attachment=True, filename="picture.bin")


def away(request):
    return HttpResponseRedirect("/hello/moved/?q=1")


def visits(request):
    request.session["visits"] = request.session.get("visits", 0) + 1
    response = HttpResponse(str(request.session["visits"]))
    response.set_cookie("colour", "blue")
    response.set_cookie("taste", "salt")
    return response


def error(request):
    raise RuntimeError("a bug in the site")


def page(request):
    return render(request, "page.html", {"name": "<you>"})
