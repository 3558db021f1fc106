"""Excel files among the bodies that schemathesis sends: whatever it makes up is sent as bytes."""

import json

import schemathesis

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


@schemathesis.serializer(XLSX)
def workbook(ctx, value):
    if isinstance(value, (bytes, bytearray)):
        return bytes(value)
    data = getattr(value, "data", None)
    return data if isinstance(data, bytes) else json.dumps(value, default=str).encode()
