"""FastAPI, with what its users use first: models, dependencies, threads for plain functions."""

import threading

from fastapi import Depends, FastAPI, HTTPException, UploadFile
from pydantic import BaseModel

app = FastAPI()
main_thread = threading.main_thread()


class Item(BaseModel):
    name: str
    price: float


def thread_name():
    return "main" if threading.current_thread() is main_thread else "other"


@app.get("/items/{item_id}")
async def item(item_id: int, q: str | None = None, thread: str = Depends(thread_name)):
    return {"id": item_id, "q": q, "dependency_thread": thread}


@app.post("/items")
async def create(item: Item):
    return {"name": item.name, "total": item.price * 2}


@app.get("/plain")
def plain():
    return {"thread": thread_name()}


@app.post("/upload")
async def upload(file: UploadFile):
    return {"name": file.filename, "size": len(await file.read())}


@app.get("/missing")
async def missing():
    raise HTTPException(status_code=404, detail="no such thing")
