"""The netsuite package (token-based authentication) against the simulator.

usage: netsuite_client.py BASE
"""

import asyncio
import sys

from netsuite import Config, NetSuite, TokenAuth
from netsuite.rest_api import NetSuiteRestApi

BASE = sys.argv[1].rstrip("/")
# there is no option for the address
NetSuiteRestApi._make_url = lambda self, subpath: f"{BASE}/services/rest{subpath}"


def number(answer):
    assert answer.status_code == 204, (answer.status_code, answer.text)
    return answer.headers["location"].rsplit("/", 1)[1]


async def main():
    keys = TokenAuth(consumer_key="ck", consumer_secret="cs", token_id="ti", token_secret="ts")
    api = NetSuite(Config(account="TSTDRV123_SB1", auth=keys)).rest_api
    buyer = {"companyName": "Smoke Co", "externalId": "CUST-1", "subsidiary": {"id": "1"}}
    customer = number(await api.request("POST", "/record/v1/customer", json=buyer))
    line = {"item": {"id": "5"}, "quantity": 1, "rate": 10000.0}
    order = {"entity": {"id": customer}, "otherRefNum": "PO-9", "item": {"items": [line]}}
    order = number(await api.request("PUT", "/record/v1/salesOrder/eid:SO-opp-1", json=order))
    part = {"externalId": "INV-ms-1", "tranDate": "2026-11-20", "item": {"items": [{"orderLine": 1, "quantity": 0.25}]}}
    place = f"/record/v1/salesOrder/{order}/!transform/invoice"
    invoice = number(await api.request("POST", place, json=part))
    change = {"memo": "x", "item": {"items": [{"line": 1, "rate": 1}]}}
    await api.patch(f"/record/v1/invoice/{invoice}", json=change, params={"replace": "item"})
    later = {"Prefer": "respond-async", "X-NetSuite-Idempotency-Key": "cac827ea-3543-4cda-add2-bae634326c27"}
    answer = await api.request("POST", "/record/v1/invoice", headers=later, json={"entity": {"id": customer}})
    assert answer.status_code == 202 and "/async/" in answer.headers["location"], answer.status_code
    found = await api.suiteql("SELECT id, tranid FROM transaction WHERE type = 'CustInvc' ORDER BY id", limit=1000, offset=0)
    assert invoice in [row["id"] for row in found["items"]]
    shown = await api.get(f"/record/v1/invoice/{invoice}", params={"expandSubResources": "true"})
    assert shown["memo"] == "x"
    await api.delete(f"/record/v1/invoice/{invoice}")


asyncio.run(main())
print("netsuite: done")
