//! A controller of a few lines, which asks an agent what its node has without the server between.

use std::fmt;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::Serialize;
use uuid::Uuid;

const LIMIT: Duration = Duration::from_secs(60);

/// What the server told the agent; an agent that is told something else begins anew.
pub struct Told<'a> {
    pub installation: Uuid,
    pub libvirt_uri: &'a str,
    pub virt_type: &'a str,
    pub storages: Vec<String>,
}

/// The uuids of all domains that an agent has. The server loses its link to it, and connects again by itself.
///
/// # Panics
/// When the agent does not answer, or cannot read one of its domains.
#[track_caller]
pub fn domains(socket: &Path, told: &Told<'_>) -> Vec<Uuid> {
    let mut stream = UnixStream::connect(socket).expect("the agent's socket");
    stream.set_read_timeout(Some(LIMIT)).expect("a limit");
    let mut preface = [0; 8];
    stream.read_exact(&mut preface).expect("the agent's preface");
    // In whatever version it speaks: what is asked here is in all of them.
    stream.write_all(&preface).expect("a preface");
    let Told { installation, libvirt_uri, virt_type, storages } = told;
    let config = (installation, libvirt_uri, virt_type, storages, Vec::<String>::new());
    send(&mut stream, &Frame::Hello((Some(config),)));
    send(&mut stream, &Frame::<()>::Call((1, "ListDomains")));
    loop {
        let frame = receive(&mut stream);
        assert!(frame.field("Refused").is_none(), "{frame:?}");
        let Some(Any::List(reply)) = frame.field("Reply") else { continue };
        let domains = reply[1].field("Ok").and_then(|ok| ok.field("Domains"));
        let Some(Any::List(domains)) = domains else { panic!("{reply:?}") };
        let [Any::List(states), Any::List(unreadable)] = &domains[..] else {
            panic!("{domains:?}")
        };
        assert!(unreadable.is_empty(), "{unreadable:?}");
        return states.iter().map(uuid_of).collect();
    }
}

/// As the protocol writes its frames.
#[derive(serde::Serialize)]
enum Frame<C> {
    Hello((Option<C>,)),
    Call((u64, &'static str)),
}

fn send<C: Serialize>(stream: &mut UnixStream, frame: &Frame<C>) {
    let bytes = rmp_serde::to_vec(frame).expect("encode a frame");
    let length = u32::try_from(bytes.len()).expect("a small frame").to_be_bytes();
    stream.write_all(&length).and_then(|()| stream.write_all(&bytes)).expect("send a frame");
}

fn receive(stream: &mut UnixStream) -> Any {
    let mut length = [0; 4];
    stream.read_exact(&mut length).expect("a frame");
    let mut bytes = vec![0; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut bytes).expect("a frame");
    rmp_serde::from_slice(&bytes).expect("decode a frame")
}

fn uuid_of(state: &Any) -> Uuid {
    match state {
        Any::List(fields) => match &fields[0] {
            Any::Bytes(bytes) => Uuid::from_slice(bytes).expect("a uuid"),
            other => panic!("no uuid: {other:?}"),
        },
        other => panic!("no domain: {other:?}"),
    }
}

/// Whatever is in a frame.
#[derive(Debug)]
enum Any {
    Bytes(Vec<u8>),
    Text(String),
    List(Vec<Any>),
    Map(Vec<(Any, Any)>),
    /// Of no interest here.
    Other,
}

impl Any {
    fn field(&self, name: &str) -> Option<&Self> {
        let Self::Map(entries) = self else { return None };
        let entry = entries.iter().find(|(key, _)| matches!(key, Self::Text(key) if key == name));
        entry.map(|(_, value)| value)
    }
}

impl<'de> Deserialize<'de> for Any {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyVisitor)
    }
}

struct AnyVisitor;

impl<'de> Visitor<'de> for AnyVisitor {
    type Value = Any;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Any, E> {
        Ok(Any::Bytes(bytes.to_vec()))
    }

    fn visit_str<E>(self, text: &str) -> Result<Any, E> {
        Ok(Any::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Any, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Any::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Any, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            map.push(entry);
        }
        Ok(Any::Map(map))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Any, D::Error> {
        Any::deserialize(deserializer)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Any, E> {
        Ok(Any::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Any, E> {
        Ok(Any::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Any, E> {
        Ok(Any::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Any, E> {
        Ok(Any::Other)
    }

    fn visit_unit<E>(self) -> Result<Any, E> {
        Ok(Any::Other)
    }

    fn visit_none<E>(self) -> Result<Any, E> {
        Ok(Any::Other)
    }
}
