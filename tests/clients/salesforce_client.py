"""simple-salesforce against the simulator: every way to sign in, and every call that an integration makes.

usage: salesforce_client.py BASE FLOW, with FLOW one of cc, jwt, password, soap, direct
"""

import datetime
import json
import sys
from urllib.parse import urlsplit

import requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from requests.adapters import HTTPAdapter
from simple_salesforce import Salesforce
from simple_salesforce.exceptions import SalesforceMoreThanOneRecord, SalesforceResourceNotFound
from simple_salesforce.format import format_external_id, format_soql

BASE, FLOW = urlsplit(sys.argv[1]), sys.argv[2]
DEAL, VERSION = "006000000000001AAA", "62.0"
UTC = datetime.timezone.utc


class Redirected(HTTPAdapter):
    """The library insists on https and on the vendor's hosts; this sends its requests to the simulator instead."""

    def send(self, request, **options):
        asked = urlsplit(request.url)
        request.url = asked._replace(scheme=BASE.scheme, netloc=BASE.netloc).geturl()
        return super().send(request, **{**options, "proxies": {}})


def private_key():
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    plain = serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain).decode()


def sign_in():
    session = requests.Session()
    session.trust_env = False
    for scheme in ("http://", "https://"):
        session.mount(scheme, Redirected())
    user, app = {"username": "integration@example.com"}, {"consumer_key": "CONSUMER_KEY"}
    secret = {"consumer_secret": "CONSUMER_SECRET"}
    ways = {
        "cc": {**app, **secret, "domain": "acme.my"},
        "jwt": {**user, **app, "privatekey": private_key(), "domain": "login"},
        "password": {**user, **app, **secret, "password": "pw"},
        "soap": {**user, "password": "pw", "security_token": "tok"},
        "direct": {"session_id": "00D!TOKEN", "instance_url": sys.argv[1]},
    }
    return Salesforce(session=session, version=VERSION, **ways[FLOW])


def reading(org):
    soql = format_soql(
        "SELECT Id, Name, Amount, CloseDate, SystemModstamp FROM Opportunity WHERE IsWon = true "
        "AND SystemModstamp >= {} ORDER BY SystemModstamp, Id",
        datetime.datetime(2026, 9, 1, tzinfo=UTC),
    )
    rows = org.query_all(soql)["records"]
    assert len(rows) > 2000 and len({row["Id"] for row in rows}) == len(rows)
    assert [(row["SystemModstamp"], row["Id"]) for row in rows] == sorted((r["SystemModstamp"], r["Id"]) for r in rows)
    assert len(org.query_all(soql, include_deleted=True)["records"]) >= len(rows)
    small = org.query(soql, headers={"Sforce-Query-Options": "batchSize=200"})
    assert not small["done"] and len(small["records"]) == 200
    locator = small["nextRecordsUrl"].rsplit("/", 1)[1]
    assert len(org.query_more(locator)["records"]) == 200
    assert org.limits()["DailyApiRequests"]["Remaining"] > 0 and org.api_usage["api-usage"].total == 100000
    assert "Opportunity" in [kind["name"] for kind in org.describe()["sobjects"]]
    fields = {field["name"]: field for field in org.Opportunity.describe()["fields"]}
    assert (fields["Amount"]["precision"], fields["Amount"]["scale"]) == (18, 2)
    assert org.Opportunity.get(DEAL)["Amount"] == 250000.0
    assert org.Milestone__c.get_by_custom_id("External_Id__c", "ms-1")["Id"]
    window = datetime.datetime(2026, 9, 29, tzinfo=UTC), datetime.datetime(2026, 9, 30, tzinfo=UTC)
    assert "latestDateCovered" in org.Opportunity.updated(*window)
    assert org.Opportunity.deleted(*window)["deletedRecords"] == []
    assert org.ContentVersion.get_base64("068000000000001AAA", "VersionData").startswith(b"%PDF")


def writing(org):
    milestone = org.Milestone__c
    assert milestone.create({"Name": "Kick-off"})["success"]
    odd = format_external_id("External_Id__c", f"ms/{FLOW}/é")
    assert (milestone.upsert(odd, {"Status__c": "Open"}), milestone.upsert(odd, {"Status__c": "Invoiced"})) == (201, 200)
    answer = milestone.upsert("External_Id__c/ms-1", {"Status__c": "Invoiced"}, raw_response=True).json()
    assert answer["created"] is False
    try:
        milestone.upsert("External_Id__c/x-DUP", {"Status__c": "Invoiced"})
        raise AssertionError("two records share the key")
    except SalesforceMoreThanOneRecord as found:
        assert len(found.content) == 2
    assert org.Opportunity.update(DEAL, {"NextStep": "bill"}) == 204
    place = f"/services/data/v{VERSION}/sobjects/Milestone__c/External_Id__c/ms-1"
    call = {"method": "PATCH", "url": place, "referenceId": "one", "body": {"Status__c": "Paid"}}
    answer = org.restful("composite", method="POST", data=json.dumps({"allOrNone": True, "compositeRequest": [call]}))
    assert answer["compositeResponse"][0]["httpStatusCode"] == 200
    rows = [{"attributes": {"type": "Milestone__c"}, "External_Id__c": "ms-1", "Status__c": "Billed"}]
    place = "composite/sobjects/Milestone__c/External_Id__c"
    (answer,) = org.restful(place, method="PATCH", data=json.dumps({"allOrNone": False, "records": rows}))
    assert answer["success"] and not answer["created"]
    spare = org.Opportunity.create({"Name": "x", "StageName": "Prospecting", "CloseDate": "2026-12-01"})["id"]
    assert org.Opportunity.delete(spare) == 204
    for gone in (lambda: org.Opportunity.get(spare), lambda: org.restful("nosuch")):
        try:
            gone()
            raise AssertionError("nothing is there")
        except SalesforceResourceNotFound:
            pass


def in_bulk(org):
    made = org.bulk2.Milestone__c.insert(records=[{"Name": "one", "Amount__c": "10.5"}, {"Name": "two", "Amount__c": "no"}])
    assert (made[0]["numberRecordsProcessed"], made[0]["numberRecordsFailed"]) == (2, 1), made
    pages = list(org.bulk2.Opportunity.query("SELECT Id, Name FROM Opportunity WHERE IsWon = true", max_records=2000))
    assert len(pages) >= 2 and pages[0].startswith('"Id","Name"')


ORG = sign_in()
reading(ORG)
writing(ORG)
if FLOW == "cc":
    in_bulk(ORG)
print("salesforce:", FLOW, "done")
