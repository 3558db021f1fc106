//! Files of issues: metadata, content by a signed address, ranges, uploads.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::state::{Answer, State, problem};
use super::webhooks::{News, sign};
use crate::call::{Call, Reply};
use crate::json::{Json, obj};

const SIGNING: &str = "media-signing-secret";

impl State {
    /// Attaches a file and gives its id.
    pub(crate) fn attach(&mut self, id: &str, author: &Json, filename: &str, content: &[u8]) -> Result<String, Reply> {
        let mut issue = self.issue(id)?;
        let number = self.store.next("attachment", 10000).to_string();
        let mut author = author.clone();
        author.remove("token");
        let kind = match filename.rsplit_once('.').map(|(_, extension)| extension.to_lowercase()).as_deref() {
            Some("png") => "image/png",
            Some("txt") => "text/plain",
            Some("json") => "application/json",
            _ => "application/pdf",
        };
        let file = obj! {
            "id" => &number, "filename" => filename, "author" => &author, "created" => self.clock.millis(), "size" => content.len(),
            "mimeType" => kind,
        };
        self.store.put(
            "files",
            &number,
            file.clone().with("issue", issue.text("id")).with("content", STANDARD.encode(content)),
        );
        let mut files = issue.list("fields.attachment").to_vec();
        files.push(file.clone());
        if let Some(fields) = issue.get_mut("fields") {
            fields.set("attachment", files);
        }
        let item = obj! {
            "field" => "Attachment", "fieldtype" => "jira", "fieldId" => "attachment", "from" => Json::Null,
            "fromString" => Json::Null, "to" => &number, "toString" => filename,
        };
        self.log(issue.clone(), &author, vec![item], "issue_updated");
        let shown = self.attachment(&file, "2");
        self.tell(&News::of_issue("attachment_created", "", &issue, &author).about("attachment", shown));
        Ok(number)
    }

    /// A file as an issue shows it.
    pub(crate) fn attachment(&self, file: &Json, api: &str) -> Json {
        let id = file.text("id");
        let author = self.person(file.get("author").unwrap_or(&Json::Null), true);
        let (own, server) = (self.rest(api), self.is_server());
        let content = if server {
            format!("{}/secure/attachment/{id}/{}", self.base, file.text("filename"))
        } else {
            format!("{own}/attachment/content/{id}")
        };
        obj! {
            "self" => format!("{own}/attachment/{id}"), "id" => &id, "filename" => file.text("filename"), "author" => author,
            "created" => self.stamp(file.int("created")), "size" => file.get("size").cloned().unwrap_or_default(),
            "mimeType" => file.text("mimeType"), "content" => content,
        }
    }

    fn file(&self, id: &str) -> Result<Json, Reply> {
        let unknown = || problem(404, "The attachment with id does not exist.");
        let file = self.store.get("files", id).cloned().ok_or_else(unknown)?;
        self.issue(&file.text("issue")).map_err(|_| unknown())?;
        Ok(file)
    }

    pub(crate) fn on_attachment(&mut self, call: &Call, api: &str, rest: &[&str]) -> Answer {
        match (call.method.as_str(), rest) {
            ("GET", ["meta"]) => Ok(Reply::json(200, &obj! {"enabled" => true, "uploadLimit" => 1_073_741_824})),
            // here, and only here, the id is a number
            ("GET", [id]) => {
                Ok(Reply::json(200, &self.attachment(&self.file(id)?, api).with("id", Json::Number(id.to_string()))))
            }
            ("GET", ["content", id]) => {
                let file = self.file(id)?;
                if call.param("redirect") == Some("false") {
                    return Ok(ranged(call, &file));
                }
                let token = sign(SIGNING, id.as_bytes());
                Ok(Reply::empty(303).header("location", format!("{}/media/file/{id}/binary?token={token}", self.base)))
            }
            ("DELETE", [id]) => {
                let file = self.file(id)?;
                self.detach(&file)?;
                Ok(Reply::empty(204))
            }
            _ => Err(Reply::empty(405)),
        }
    }

    fn detach(&mut self, file: &Json) -> Result<(), Reply> {
        let mut issue = self.issue(&file.text("issue"))?;
        let id = file.text("id");
        let mut files = issue.list("fields.attachment").to_vec();
        files.retain(|known| known.text("id") != id);
        if let Some(fields) = issue.get_mut("fields") {
            fields.set("attachment", files);
        }
        self.store.remove("files", &id);
        let item = obj! {
            "field" => "Attachment", "fieldtype" => "jira", "fieldId" => "attachment", "from" => &id,
            "fromString" => file.text("filename"), "to" => Json::Null, "toString" => Json::Null,
        };
        let author = self.caller.person.clone();
        self.log(issue, &author, vec![item], "issue_updated");
        Ok(())
    }

    /// The content, to whoever has the signed address.
    pub(crate) fn media(&self, call: &Call, id: &str) -> Answer {
        match self.store.get("files", id) {
            Some(file) if call.param("token") == Some(sign(SIGNING, id.as_bytes()).as_str()) => Ok(ranged(call, file)),
            _ => Err(Reply::empty(403)),
        }
    }

    /// Uploads: up to sixty parts called `file`, and a header against cross-site requests.
    pub(crate) fn upload(&mut self, call: &Call, api: &str, id: &str) -> Answer {
        let token = call.header("x-atlassian-token").unwrap_or_default();
        if token != "no-check" && token != "nocheck" {
            return Err(Reply::empty(403).header("content-type", "text/plain").body("XSRF check failed"));
        }
        let parts = parts(call).ok_or_else(|| problem(415, "A multipart body is needed."))?;
        if parts.len() > 60 {
            return Err(problem(413, "The maximum number of files per call is 60."));
        }
        let author = self.caller.person.clone();
        let mut shown = Vec::new();
        for (filename, content) in parts {
            let number = self.attach(id, &author, &filename, &content)?;
            let file = self.store.get("files", &number).cloned().unwrap_or_default();
            shown.push(self.attachment(&file, api));
        }
        Ok(Reply::json(200, &Json::List(shown)))
    }
}

/// The bytes of a file, or the part of them that is asked for.
fn ranged(call: &Call, file: &Json) -> Reply {
    let bytes = STANDARD.decode(file.text("content")).unwrap_or_default();
    let kind = file.text("mimeType");
    let named = format!("attachment; filename=\"{}\"", file.text("filename"));
    let reply = |status: u16, bytes: Vec<u8>| {
        Reply::empty(status)
            .header("content-type", kind.clone())
            .header("content-disposition", named.clone())
            .body(bytes)
    };
    let Some(range) = call.header("range") else { return reply(200, bytes) };
    let Some((from, to)) = range.strip_prefix("bytes=").and_then(|range| range.split_once('-')) else {
        return Reply::empty(400);
    };
    let size = bytes.len();
    let (from, to) = match (from.parse::<usize>(), to.parse::<usize>()) {
        (Ok(from), Ok(to)) => (from, to.saturating_add(1).min(size)),
        (Ok(from), Err(_)) => (from, size),
        (Err(_), Ok(last)) => (size.saturating_sub(last), size),
        _ => return Reply::empty(400),
    };
    match bytes.get(from..to).filter(|part| !part.is_empty()) {
        Some(part) => reply(206, part.to_vec()).header("content-range", format!("bytes {from}-{}/{size}", to - 1)),
        None => Reply::empty(416).header("content-range", format!("bytes */{size}")),
    }
}

/// Names and contents of the parts called `file` of a multipart body.
fn parts(call: &Call) -> Option<Vec<(String, Vec<u8>)>> {
    let boundary =
        call.header("content-type")?.split("boundary=").nth(1)?.split(';').next()?.trim_matches('"').to_string();
    let mark = format!("--{boundary}").into_bytes();
    let find = |from: usize, what: &[u8]| {
        call.body.get(from..)?.windows(what.len()).position(|window| window == what).map(|at| from + at)
    };
    let mut found = Vec::new();
    let mut at = find(0, &mark)?;
    loop {
        let start = at + mark.len();
        let Some(next) = find(start, &mark) else { break };
        let part = call.body.get(start..next)?;
        if let Some(split) = part.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&part[..split]).into_owned();
            let content = part[split + 4..].strip_suffix(b"\r\n").unwrap_or(&part[split + 4..]);
            let name = head.split("filename=\"").nth(1).and_then(|rest| rest.split('"').next());
            if let (true, Some(name)) = (head.contains("name=\"file\""), name) {
                found.push((name.to_string(), content.to_vec()));
            }
        }
        at = next;
    }
    Some(found)
}
