//! The flavour of an answer for a client that did not ask for JSON.

use crate::call::Reply;
use crate::json::Json;

/// Members that XML writes as attributes.
const ATTRIBUTES: &[&str] = &[
    "domain",
    "sparse",
    "status",
    "startPosition",
    "maxResults",
    "totalCount",
    "bId",
    "code",
    "element",
    "type",
    "name",
];

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn element(name: &str, value: &Json, out: &mut String) {
    if let Json::List(items) = value {
        return items.iter().for_each(|item| element(name, item, out));
    }
    out.push_str(&format!("<{name}"));
    let attribute = |(name, value): &&(String, Json)| ATTRIBUTES.contains(&name.as_str()) && value.scalar().is_some();
    for (name, value) in value.members().iter().filter(attribute) {
        out.push_str(&format!(" {name}=\"{}\"", escaped(&value.text_of())));
    }
    out.push('>');
    if let Some(text) = value.scalar() {
        out.push_str(&escaped(&text));
    }
    for member in value.members().iter().filter(|member| !attribute(member)) {
        match member.0.as_str() {
            // the text of a reference
            "value" => out.push_str(&escaped(&member.1.text_of())),
            name => element(name, &member.1, out),
        }
    }
    out.push_str(&format!("</{name}>"));
}

pub(crate) fn as_xml(reply: Reply, time: &str) -> Reply {
    let mut out = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?><IntuitResponse \
         xmlns=\"http://schema.intuit.com/finance/v3\" time=\"{time}\">"
    );
    let body = reply.as_json();
    body.members().iter().filter(|(name, _)| name != "time").for_each(|(name, value)| element(name, value, &mut out));
    out.push_str("</IntuitResponse>");
    reply.header("content-type", "application/xml").body(out)
}
