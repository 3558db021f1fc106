//! Outbound messages: SOAP, repeated until they are acknowledged, in any order. They are not signed: the org's id and a
//! secret in the address tell them from forged ones, and the record is read again whatever they say.

use milestoned_connector_kit::{Acknowledgement, Delivery, Hint, Hook, Refused, WebhookRequest};
use roxmltree::{Document, Node, ParsingOptions};
use secrecy::ExposeSecret;
use subtle::ConstantTimeEq;

use super::Salesforce;
use super::query::is_id;

const NOTIFICATIONS: &str = "http://soap.sforce.com/2005/09/outbound";
const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";
/// Characters of an id that name the org; the rest guards against a change of case.
const ORG: usize = 15;
/// Bytes of a message: a hundred notifications at most, each with the fields that the message was given.
const LONGEST: usize = 256 * 1024;
/// Attributes of a tag: those of an envelope are its namespaces.
const ATTRIBUTES: usize = 32;
/// Elements and texts of a message.
const NODES: u32 = 20_000;
/// Anything but this makes Salesforce send the whole message again.
const HEARD: &str = "<soapenv:Envelope xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\"><soapenv:Body>\
                     <notificationsResponse xmlns=\"http://soap.sforce.com/2005/09/outbound\"><Ack>true</Ack>\
                     </notificationsResponse></soapenv:Body></soapenv:Envelope>";

impl Hook for Salesforce {
    fn verify(&self, request: &WebhookRequest<'_>) -> Result<Vec<Delivery>, Refused> {
        let outbound = self.settings.outbound.as_ref().ok_or(Refused::Signature)?;
        let (secret, shown) = (outbound.secret.expose_secret(), request.secret.unwrap_or_default());
        if secret.is_empty() || !bool::from(secret.as_bytes().ct_eq(shown.as_bytes())) {
            return Err(Refused::Signature);
        }
        let text = std::str::from_utf8(request.body).map_err(|error| Refused::Body(error.to_string()))?;
        read(text, &outbound.organization)
    }

    fn acknowledgement(&self) -> Acknowledgement {
        Acknowledgement { content_type: "text/xml; charset=utf-8", body: HEARD }
    }
}

/// One delivery for each notification: its id is the same in every repetition, however they are bundled.
fn read(text: &str, organization: &str) -> Result<Vec<Delivery>, Refused> {
    if text.len() > LONGEST || most_attributes(text) > ATTRIBUTES {
        return Err(Refused::Body("the message is larger than any that Salesforce sends".into()));
    }
    let options = ParsingOptions { allow_dtd: false, nodes_limit: NODES, ..ParsingOptions::default() };
    let document = Document::parse_with_options(text, options).map_err(|error| Refused::Body(error.to_string()))?;
    let message = document.descendants().find(|node| node.has_tag_name((NOTIFICATIONS, "notifications")));
    let message = message.ok_or_else(|| Refused::Body("no notifications".into()))?;
    let own = organization.get(..ORG).ok_or(Refused::Signature)?;
    if word(message, "OrganizationId").and_then(|id| id.get(..ORG)) != Some(own) {
        return Err(Refused::Signature);
    }
    let notifications = message.children().filter(|node| node.tag_name().name() == "Notification");
    notifications.map(delivery).collect()
}

/// The most attributes that one tag has. The parser compares each with all others of its tag.
fn most_attributes(text: &str) -> usize {
    text.split('<').map(|tag| tag.split('>').next().unwrap_or_default().matches('=').count()).max().unwrap_or(0)
}

fn delivery(notification: Node<'_, '_>) -> Result<Delivery, Refused> {
    let missing = |what: &str| Refused::Body(format!("a notification has no {what}"));
    let id = word(notification, "Id").ok_or_else(|| missing("Id"))?;
    let object = child(notification, "sObject").ok_or_else(|| missing("sObject"))?;
    // `sf:Opportunity`
    let kind = object.attribute((XSI, "type")).ok_or_else(|| missing("type"))?;
    let kind = kind.rsplit(':').next().unwrap_or(kind);
    let record = word(object, "Id").filter(|id| is_id(id)).ok_or_else(|| missing("record"))?;
    Ok(Delivery { id: id.into(), hints: vec![Hint { object: kind.into(), id: record.into() }] })
}

fn child<'a, 'input>(node: Node<'a, 'input>, name: &str) -> Option<Node<'a, 'input>> {
    node.children().find(|child| child.tag_name().name() == name)
}

fn word<'a>(node: Node<'a, '_>, name: &str) -> Option<&'a str> {
    child(node, name).and_then(|child| child.text()).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn organization(message: &str) -> &str {
        let from = message.split_once("<OrganizationId>").unwrap().1;
        from.split_once('<').unwrap().0
    }

    #[test]
    fn recorded_messages_name_each_record_under_its_notification() {
        for (message, object, count) in [
            (include_str!("../fixtures/outbound_message_2_contacts.xml"), "Contact", 2),
            (include_str!("../fixtures/outbound_message_3_notifications.xml"), "Lead", 3),
        ] {
            let org = organization(message);
            let deliveries = read(message, org).unwrap();
            let ids: std::collections::BTreeSet<_> = deliveries.iter().map(|delivery| &delivery.id).collect();
            assert_eq!(ids.len(), count, "{object}");
            for hint in deliveries.iter().flat_map(|delivery| &delivery.hints) {
                assert!(hint.object.starts_with(object) && is_id(&hint.id), "{hint:?}");
            }
            assert_eq!(read(message, &org[..ORG]), Ok(deliveries), "15 characters name the org");
            assert_eq!(read(message, "00D000000000002"), Err(Refused::Signature));
        }
    }

    #[test]
    fn what_is_no_message_is_refused_and_entities_are_not_expanded() {
        assert!(matches!(read("<a/>", "00D000000000001AAA"), Err(Refused::Body(_))));
        let attributes: String = (0..5_000).map(|number| format!(" a{number}='1'")).collect();
        let refused = read(&format!("<a{attributes}/>"), "00D000000000001AAA");
        assert!(matches!(&refused, Err(Refused::Body(reason)) if reason.contains("larger than any")), "{refused:?}");
        let bomb = "<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>";
        assert!(matches!(read(bomb, "00D000000000001AAA"), Err(Refused::Body(_))));
    }
}
