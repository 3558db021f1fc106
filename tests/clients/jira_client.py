"""pycontribs jira against the simulator, as Cloud.

usage: jira_client.py BASE
"""

import sys

from jira import JIRA

JQL = 'project = MS AND updated >= "2026-09-01 00:00" ORDER BY updated ASC, key ASC'
site = JIRA(
    server=sys.argv[1].rstrip("/"),
    basic_auth=("mia@example.test", "api-token"),
    max_retries=0,
    timeout=10,
    options={"rest_api_version": "3", "check_update": False},
)
assert site.server_info()["deploymentType"] == "Cloud"
assert site.myself()["accountId"] == "5b10a2844c20165700ede21g"
assert "customfield_10103" in [field["id"] for field in site.fields()]

fields = "summary,updated,status"
first = site.enhanced_search_issues(JQL, maxResults=2, fields=fields)
everything = site.enhanced_search_issues(JQL, maxResults=0, fields=fields)
assert len(first) == 2 and len(everything) == 5 and everything[0].key == "MS-1"
assert site.enhanced_search_issues(JQL, maxResults=2, fields="summary", reconcileIssues=[10001])
assert len(site.search_issues(JQL, maxResults=2)) == 2
assert site.approximate_issue_count(JQL) == 5

text = {"type": "text", "text": "invoiced"}
note = {"type": "doc", "version": 1, "content": [{"type": "paragraph", "content": [text]}]}
assert site.add_comment("MS-1", note).id and site.comments("MS-1")
value = {"status": "invoiced", "invoice": "INV-1"}
site.add_issue_property("MS-1", "milestoned.billing", value)
assert site.issue_property("MS-1", "milestoned.billing").value.invoice == "INV-1"
for _ in range(2):
    place = {"url": "https://erp.example.test/inv/1", "title": "INV-1"}
    site.add_remote_link("MS-1", place, globalId="milestoned=inv-1", relationship="billed by")
assert [link.globalId for link in site.remote_links("MS-1")] == ["milestoned=inv-1"]

ways = {way["name"]: way["id"] for way in site.transitions("MS-1")}
site.transition_issue("MS-1", ways["Accepted"])
issue = site.issue("MS-1", expand="changelog")
assert issue.fields.status.statusCategory.key == "done"
last = [item.toString for item in issue.changelog.histories[0].items]
assert last == ["Done", "Accepted"], last

made = site.create_issue(project="MS", summary="Go-live", issuetype={"name": "Milestone"}, customfield_10103=125000)
made.update(fields={"customfield_10103": 12})
assert site.issue(made.key).fields.customfield_10103 == 12
site.add_attachment(made.key, __file__, filename="acceptance.txt")
(file,) = site.issue(made.key).fields.attachment
with open(__file__, "rb") as own:
    assert file.get() == own.read()
made.delete()
print("jira: done")
