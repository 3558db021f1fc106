"""python-quickbooks and intuit-oauth against the simulator.

usage: quickbooks_client.py BASE
"""

import base64
import datetime
import hashlib
import hmac
import os
import sys

os.environ.setdefault("OAUTHLIB_INSECURE_TRANSPORT", "1")

from intuitlib.client import AuthClient
from quickbooks import QuickBooks
from quickbooks.batch import batch_create
from quickbooks.cdc import change_data_capture
from quickbooks.objects.base import LinkedTxn, Ref
from quickbooks.objects.creditmemo import CreditMemo
from quickbooks.objects.customer import Customer
from quickbooks.objects.detailline import SalesItemLine, SalesItemLineDetail
from quickbooks.objects.estimate import Estimate
from quickbooks.objects.invoice import Invoice
from quickbooks.objects.journalentry import JournalEntry, JournalEntryLine, JournalEntryLineDetail

BASE, REALM = sys.argv[1].rstrip("/"), "9341452000000001"
QuickBooks.api_url_v3 = QuickBooks.sandbox_api_url_v3 = f"{BASE}/v3"
auth = AuthClient("cid", "csecret", "https://example.test/cb", f"{BASE}/.well-known/openid_configuration/")
books = QuickBooks(auth_client=auth, refresh_token="rt-smoke-1", company_id=REALM, minorversion=75, verifier_token="vtok")
assert auth.refresh_token != "rt-smoke-1"


def to(value):
    ref = Ref()
    ref.value = value
    return ref


def sold(amount):
    line, detail = SalesItemLine(), SalesItemLineDetail()
    detail.ItemRef, detail.Qty, detail.UnitPrice = to("1"), 1, amount
    line.Amount, line.Description, line.SalesItemLineDetail = amount, "Milestone", detail
    return line


def bill(kind, name, **members):
    document = kind()
    document.CustomerRef = to(customer.Id)
    for member, value in members.items():
        setattr(document, member, value)
    return document.save(qb=books, request_id=name)


customer = Customer()
customer.DisplayName = "Smoke Co"
customer = customer.save(qb=books, request_id="rq-customer")
estimate = bill(Estimate, "rq-estimate", Line=[sold(10000.0)])
link = LinkedTxn()
link.TxnId, link.TxnType = int(estimate.Id), "Estimate"
invoice = bill(Invoice, "rq-invoice", DocNumber="MS-0001", LinkedTxn=[link], Line=[sold(2500.25)])
invoice.PrivateNote, invoice.sparse = "changed", True
invoice = invoice.save(qb=books, request_id="rq-invoice-again")
bill(CreditMemo, "rq-credit", Line=[sold(100.0)])
entry = JournalEntry()
entry.DocNumber = "RR-1"
for side, account in (("Debit", "23"), ("Credit", "79")):
    line, detail = JournalEntryLine(), JournalEntryLineDetail()
    detail.PostingType, detail.AccountRef = side, to(account)
    line.Amount, line.JournalEntryLineDetail = 500.0, detail
    entry.Line.append(line)
assert entry.save(qb=books, request_id="rq-entry").Id

assert Invoice.get(invoice.Id, qb=books).PrivateNote == "changed"
assert Invoice.where("DocNumber = 'MS-0001'", start_position=1, max_results=1000, qb=books)
change_data_capture([Invoice], datetime.datetime(2026, 11, 1), qb=books)
other = Customer()
other.DisplayName = "Batch Co"
assert batch_create([other], qb=books).successes
invoice.void(qb=books)
invoice.delete(qb=books)
body = '[{"specversion":"1.0","id":"x"}]'
mark = base64.b64encode(hmac.new(b"vtok", body.encode(), hashlib.sha256).digest()).decode()
assert books.validate_webhook_signature(body, mark)
print("quickbooks: done")
