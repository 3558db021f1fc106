"""Checks an export of the audit trail by its documented format (docs/audit-export.md) and by nothing of milestoned's.

python3 verify_export.py trail.jsonl: exit code 0 where everything is as it was written, 1 with what is not.
"""

import hashlib
import json
import sys


def digest(*parts):
    """SHA-256 over parts, each with its length before it in 8 bytes, big-endian."""
    hashed = hashlib.sha256()
    for part in parts:
        part = part.encode() if isinstance(part, str) else part
        hashed.update(len(part).to_bytes(8, "big") + part)
    return hashed.hexdigest()


def text(value):
    if isinstance(value, dict):
        return bytes.fromhex(value["hex"])
    return value if isinstance(value, str) else json.dumps(value)


def names(row):
    """The row's own name, and the name under which a line must be about it, if one must."""
    told = [part for name, value in row["told"] if value is not None for part in (name, text(value))]
    own = f"{row['table']}:{digest(row['table'], *told)}"
    columns = {name: text(value) for name, value in row["told"] + row["standing"] if value is not None}
    if row["table"] in ("contract", "document") or (row["table"] == "fact" and "effective_at" in columns):
        return own, own
    if row["table"] == "outbox" and columns["state"] == "done":
        return own, f"receipt:{digest('receipt', columns['key'], columns.get('receipt', ''))}"
    return own, None


def line_hash(line, previous):
    contract = "" if line["contract"] is None else "=" + line["contract"]
    fields = [previous, str(line["seq"]), line["at"], line["action"], contract, line["subject"], line["personal"]]
    return digest("3", *fields, line["attests"]) if line["attests"] is not None else digest("2", *fields)


def main(path):
    findings, seq, head, owed, seen, checkpoint = [], 0, "", set(), set(), None
    for piece in map(json.loads, open(path, encoding="utf-8")):
        if line := piece.get("line"):
            if line["seq"] != seq + 1 or line["hash"] != line_hash(line, head):
                findings.append(f"line {line['seq']} does not follow from the one before it")
            if line["salt"] and line["personal"] != digest(line["salt"], line["actor"], line["detail"]):
                findings.append(f"line {line['seq']}: who did it, or the detail, was edited")
            for name in (line["attests"] or "").split():
                owed.discard(name[1:]) if name.startswith("-") else owed.add(name)
            seq, head = line["seq"], line["hash"]
        elif row := piece.get("row"):
            own, due = names(row)
            if due is not None and due not in owed:
                findings.append(f"{row['table']} {row['key']}: no line is about it as it stands")
            seen |= {own, due}
        elif "checkpoint" in piece:
            checkpoint = piece["checkpoint"].split()
    findings += [f"a line is about {name}, and there is none" for name in sorted(owed - seen)]
    if checkpoint is None or checkpoint[:2] != [str(seq), head]:
        findings.append("the export does not end where its checkpoint says")
    print("\n".join(findings) or f"{seq} lines, and the rows that they are about, are as they were written")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
