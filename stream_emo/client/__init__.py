"""A typed client of `stream-emo serve`: calls, events with replay after a reconnect, audio in.

    with Client("http://127.0.0.1:8765", token="...") as client:
        for event in client.events():                 # goes on after the server was restarted
            print(event.session, event.channel, event)

    async with AsyncClient("http://127.0.0.1:8765") as client:
        async with client.call("line-7", rate=8000, encoding="mulaw", roles=["agent", "customer"]) as call:
            await call.send(frames)

Needs the `serve` extra: pip install 'stream-emo[serve]'.
"""

from stream_emo.client.asynchronous import AsyncCallAudio, AsyncClient
from stream_emo.client.blocking import CallAudio, Client
from stream_emo.client.shared import ServerError

__all__ = ["AsyncCallAudio", "AsyncClient", "CallAudio", "Client", "ServerError"]
