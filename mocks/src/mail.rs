//! A small SMTP server that keeps what it is given.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::clock::{SimClock, held};
use crate::faults::{Fault, Faults};
use crate::json::{Json, obj};
use crate::store::Store;

/// A message that was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailMessage {
    /// Envelope sender.
    pub from: String,
    /// Envelope recipients.
    pub to: Vec<String>,
    /// Headers and body as they arrived, dots unstuffed.
    pub raw: String,
}

/// The mail relay.
pub struct MailSink {
    store: Mutex<Store>,
    dir: Option<PathBuf>,
    faults: Faults,
    clock: SimClock,
}

/// 35 MB, as common relays allow.
const SIZE: usize = 36_700_160;

#[derive(Default)]
struct Session {
    from: Option<String>,
    to: Vec<String>,
}

impl MailSink {
    pub(crate) fn open(dir: Option<&Path>, clock: SimClock, faults: Faults) -> io::Result<MailSink> {
        let mails = dir.map(|dir| dir.join("mail"));
        if let Some(mails) = &mails {
            std::fs::create_dir_all(mails)?;
        }
        Ok(MailSink { store: Mutex::new(Store::open(dir, "mail")?), dir: mails, faults, clock })
    }

    /// All messages, in order of arrival.
    pub fn messages(&self) -> Vec<MailMessage> {
        let store = held(&self.store);
        let message = |kept: &Json| MailMessage {
            from: kept.text("from"),
            to: kept.list("to").iter().filter_map(Json::scalar).collect(),
            raw: String::from_utf8_lossy(&STANDARD.decode(kept.text("raw")).unwrap_or_default()).into_owned(),
        };
        store.all("mail").map(|(_, kept)| message(kept)).collect()
    }

    fn keep(&self, session: &Session, raw: &[u8]) -> io::Result<i64> {
        let mut store = held(&self.store);
        let number = store.next("mail", 1);
        let to = Json::List(session.to.iter().map(Json::from).collect());
        let kept = obj! {
            "from" => session.from.clone().unwrap_or_default(), "to" => to, "raw" => STANDARD.encode(raw),
            "at" => self.clock.now().to_string(),
        };
        store.put("mail", &number.to_string(), kept);
        if let Some(dir) = &self.dir {
            std::fs::write(dir.join(format!("{number:04}.eml")), raw)?;
        }
        store.commit()?;
        Ok(number)
    }

    pub(crate) fn serve(self: Arc<Self>, listener: TcpListener) -> JoinHandle<()> {
        tokio::spawn(async move {
            loop {
                match listener.accept().await {
                    Ok((stream, _)) => {
                        let sink = Arc::clone(&self);
                        tokio::spawn(async move {
                            if let Err(error) = sink.talk(stream).await {
                                tracing::debug!(%error, "an SMTP session ended");
                            }
                        });
                    }
                    Err(error) => tracing::warn!(%error, "accept"),
                }
            }
        })
    }

    /// Takes a message, with the fault that strikes it: the answer, or none where the connection is cut.
    async fn taken(&self, session: &Session, raw: &[u8]) -> Option<String> {
        let fault = self.faults.take_mail();
        match &fault {
            Some(Fault::Refuse) => return Some("451 4.3.2 System not accepting messages".to_string()),
            Some(Fault::Throttle) => return Some("450 4.7.1 Too many messages, slow down".to_string()),
            Some(Fault::Error(code)) => return Some(format!("{code} 5.7.1 Message refused")),
            Some(Fault::DropBeforeWrite) => return None,
            Some(Fault::Slow(ms)) => tokio::time::sleep(Duration::from_millis(*ms)).await,
            _ => {}
        }
        let answer = match self.keep(session, raw) {
            Ok(number) => format!("250 2.0.0 Ok: queued as {number:08X}"),
            Err(_) => "451 4.3.0 Local error in processing".to_string(),
        };
        match fault {
            Some(Fault::DropAfterData | Fault::DropAfterWrite) => return None,
            Some(Fault::ErrorAfterWrite) => return Some("451 4.3.0 Local error in processing".to_string()),
            Some(Fault::Hold(ms)) => tokio::time::sleep(Duration::from_millis(ms)).await,
            _ => {}
        }
        Some(answer)
    }

    async fn talk(&self, stream: TcpStream) -> io::Result<()> {
        let (reader, mut writer) = stream.into_split();
        let mut reader = BufReader::new(reader);
        writer.write_all(b"220 mail.example.test ESMTP\r\n").await?;
        let mut session = Session::default();
        loop {
            let mut line = Vec::new();
            if reader.read_until(b'\n', &mut line).await? == 0 {
                return Ok(());
            }
            let line = String::from_utf8_lossy(&line).trim_end().to_string();
            let verb = line.split_whitespace().next().unwrap_or_default().to_ascii_uppercase();
            let answer = match verb.as_str() {
                "DATA" if session.from.is_some() && !session.to.is_empty() => {
                    writer.write_all(b"354 End data with <CR><LF>.<CR><LF>\r\n").await?;
                    let raw = data(&mut reader).await?;
                    let Some(answer) = self.taken(&session, &raw).await else { return Ok(()) };
                    session = Session::default();
                    answer
                }
                "QUIT" => {
                    writer.write_all(b"221 2.0.0 Bye\r\n").await?;
                    return Ok(());
                }
                "AUTH" => {
                    if line.split_whitespace().count() < 3 {
                        writer.write_all(b"334 \r\n").await?;
                        reader.read_until(b'\n', &mut Vec::new()).await?;
                    }
                    "235 2.7.0 Authentication successful".to_string()
                }
                _ => simple(&verb, &line, &mut session),
            };
            writer.write_all(answer.as_bytes()).await?;
            writer.write_all(b"\r\n").await?;
        }
    }
}

fn simple(verb: &str, line: &str, session: &mut Session) -> String {
    match verb {
        "EHLO" => {
            *session = Session::default();
            format!("250-mail.example.test\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-SIZE {SIZE}\r\n250 AUTH PLAIN")
        }
        "HELO" => "250 mail.example.test".to_string(),
        "MAIL" => match address(line) {
            Some(from) => {
                *session = Session { from: Some(from), to: Vec::new() };
                "250 2.1.0 Ok".to_string()
            }
            None => "501 5.5.4 Syntax: MAIL FROM:<address>".to_string(),
        },
        "RCPT" if session.from.is_none() => "503 5.5.1 Error: need MAIL command".to_string(),
        "RCPT" => match address(line).filter(|to| !to.is_empty()) {
            Some(to) => {
                session.to.push(to);
                "250 2.1.5 Ok".to_string()
            }
            None => "501 5.5.4 Syntax: RCPT TO:<address>".to_string(),
        },
        "DATA" => "503 5.5.1 Error: need RCPT command".to_string(),
        "RSET" => {
            *session = Session::default();
            "250 2.0.0 Ok".to_string()
        }
        "NOOP" => "250 2.0.0 Ok".to_string(),
        _ => "502 5.5.2 Error: command not recognized".to_string(),
    }
}

fn address(line: &str) -> Option<String> {
    let start = line.find('<')?;
    let end = line[start..].find('>')?;
    Some(line[start + 1..start + end].to_string())
}

/// The message up to the lonely dot, with doubled dots undone.
async fn data(reader: &mut (impl AsyncBufReadExt + Unpin)) -> io::Result<Vec<u8>> {
    let mut raw = Vec::new();
    loop {
        let mut line = Vec::new();
        if reader.read_until(b'\n', &mut line).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if line == b".\r\n" || line == b".\n" {
            return Ok(raw);
        }
        raw.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
        if raw.len() > SIZE {
            return Err(io::Error::other("message too large"));
        }
    }
}
