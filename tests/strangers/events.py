"""Reads events with the package cloudevents: `python -W error events.py FILE…`."""

import json
import sys
from pathlib import Path

from cloudevents.core.bindings.http import (  # type: ignore[import-not-found]
    HTTPMessage,
    from_http_event,
)

for name in sys.argv[1:]:
    body = Path(name).read_bytes()
    wanted = json.loads(body)
    event = from_http_event(HTTPMessage({"content-type": "application/cloudevents+json"}, body))
    assert (event.get_id(), event.get_type(), event.get_source()) == (
        wanted["id"],
        wanted["type"],
        wanted["source"],
    )
    assert event.get_data() == wanted["data"]
