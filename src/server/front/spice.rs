//! The first words of a viewer of SPICE (<https://www.spice-space.org/spice-protocol.html>, "Channel link"): for each of
//! its connections it says which channel it is to be, gets a public key, and encrypts its password with it.
//!
//! ```text
//!   viewer                          this server                        QEMU
//!     which channel          ─────►
//!                            ◄─────  key and capabilities
//!     the ticket, encrypted  ─────►  who is it? ──► which channel ─────►
//!                                                            ◄─────  key and capabilities
//!                                                 no password ─────►
//!                            ◄─────────────────────────────────────  good
//!     bytes                  ◄────►                          ◄────►
//! ```
//!
//! Whose desktop it is to be is known only with the ticket, after the capabilities: what every QEMU of these years has is
//! told, and checked once QEMU has told its own.

use std::io;
use std::sync::OnceLock;

use getrandom::SysRng;
use rsa::pkcs8::{DecodePublicKey, EncodePublicKey};
use rsa::{PrivateKey, PublicKey};
use sha1::Sha1;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// What a connection begins with.
pub const MAGIC: &[u8] = b"REDQ";
const HEADER: usize = 16;
const MAJOR: u32 = 2;
const MINOR: u32 = 2;
/// Bytes of a message without its capabilities.
const MESSAGE: usize = 18;
/// Bytes of a reply without its capabilities.
const REPLY: usize = 4 + KEY + 12;
/// Bytes of a message or reply that anybody has need of.
const LONGEST: usize = 1024;
/// Bytes of a public key of [`BITS`], as SPICE has it.
const KEY: usize = 162;
const BITS: usize = 1024;
const ENCRYPTED: usize = BITS / 8;

const AUTH_SELECTION: u32 = 1 << 0;
const AUTH_SPICE: u32 = 1 << 1;
const MINI_HEADER: u32 = 1 << 3;
/// Of a viewer that may choose how it says who it is.
const BY_PASSWORD: u32 = 1;

const MAIN: u8 = 1;
const DISPLAY: u8 = 2;
const INPUTS: u8 = 3;
/// Several monitors, and a compression of the viewer's choice.
const DISPLAY_CAPABILITIES: u32 = 1 << 1 | 1 << 6;
/// Keys in one message.
const INPUTS_CAPABILITIES: u32 = 1 << 0;

/// What is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    Good = 0,
    Error = 1,
    NotSpice = 2,
    Malformed = 3,
    Version = 4,
    Denied = 7,
}

/// A connection that has said what it is and with which ticket.
pub struct Link {
    /// As it came.
    message: Vec<u8>,
    has_selection: bool,
    channel: u8,
    pub ticket: String,
}

impl Link {
    /// Whether it is the one that a viewer begins with.
    pub fn is_first(&self) -> bool {
        self.channel == MAIN
    }
}

/// The key that tickets are encrypted with, made when the first viewer comes.
struct Secret {
    private: PrivateKey,
    public: Vec<u8>,
}

/// Takes as long as it takes to find two large primes, once.
fn secret() -> io::Result<&'static Secret> {
    static SECRET: OnceLock<Secret> = OnceLock::new();
    if let Some(secret) = SECRET.get() {
        return Ok(secret);
    }
    let private = PrivateKey::new(&mut SysRng, BITS).map_err(io::Error::other)?;
    let public = private.as_public_key().to_public_key_der().map_err(io::Error::other)?;
    Ok(SECRET.get_or_init(|| Secret { private, public: public.into_vec() }))
}

/// Hears out a viewer up to its ticket. One that says something else is told so.
///
/// # Errors
/// `InvalidData`, and those of the connection.
pub async fn greet(viewer: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> io::Result<Link> {
    let message = match read_block(viewer).await? {
        Ok(message) => message,
        Err(answer) => return refuse(viewer, answer).await,
    };
    let Some(asked) = asked(&message) else { return refuse(viewer, Answer::Malformed).await };
    let secret = tokio::task::spawn_blocking(secret).await.map_err(io::Error::other)??;
    viewer.write_all(&reply(asked.channel, &secret.public)).await?;
    viewer.flush().await?;
    if asked.has_selection && viewer.read_u32_le().await? != BY_PASSWORD {
        say(viewer, Answer::Malformed).await?;
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut encrypted = vec![0; ENCRYPTED];
    viewer.read_exact(&mut encrypted).await?;
    let decrypt = move || secret.private.oaep_decrypt::<Sha1>(&encrypted);
    let password = tokio::task::spawn_blocking(decrypt).await.map_err(io::Error::other)?;
    // What is no password of any kind is a wrong one.
    let password = password.unwrap_or_default();
    let end = password.iter().position(|byte| *byte == 0).unwrap_or(password.len());
    let ticket = String::from_utf8_lossy(&password[..end]).into_owned();
    Ok(Link { message, has_selection: asked.has_selection, channel: asked.channel, ticket })
}

/// Says the same to QEMU, which asks for no password of who is handed to it.
///
/// # Errors
/// `InvalidData`, what QEMU refuses among it, and those of the connection.
pub async fn pass_on(
    link: &Link,
    screen: &mut (impl AsyncRead + AsyncWrite + Unpin),
) -> io::Result<()> {
    screen.write_all(&block(&link.message)).await?;
    screen.flush().await?;
    let reply = read_block(screen).await?.map_err(refused)?;
    let answered = answered(&reply).ok_or(io::ErrorKind::InvalidData)?;
    let told = capabilities(link.channel);
    if answered.capabilities.iter().zip(told).any(|(has, told)| told & !has != 0) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "QEMU's SPICE is too old"));
    }
    let key = PublicKey::from_public_key_der(&answered.key).map_err(io::Error::other)?;
    let nothing = key.oaep_encrypt::<Sha1>(&[0]).map_err(io::Error::other)?;
    if link.has_selection {
        screen.write_u32_le(BY_PASSWORD).await?;
    }
    screen.write_all(&nothing).await?;
    screen.flush().await?;
    match screen.read_u32_le().await? {
        0 => Ok(()),
        code => Err(io::Error::new(io::ErrorKind::InvalidData, format!("QEMU says {code}"))),
    }
}

/// How the ticket was found.
pub async fn say(viewer: &mut (impl AsyncWrite + Unpin), answer: Answer) -> io::Result<()> {
    viewer.write_u32_le(answer as u32).await?;
    viewer.flush().await
}

/// In the place of a reply.
async fn refuse<T>(viewer: &mut (impl AsyncWrite + Unpin), answer: Answer) -> io::Result<T> {
    let mut reply = vec![0; REPLY];
    reply[..4].copy_from_slice(&(answer as u32).to_le_bytes());
    viewer.write_all(&block(&reply)).await?;
    viewer.flush().await?;
    Err(refused(answer))
}

fn refused(answer: Answer) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("no SPICE: {answer:?}"))
}

/// What stands behind the header; or what is wrong with that.
async fn read_block(
    from: &mut (impl AsyncRead + Unpin),
) -> io::Result<std::result::Result<Vec<u8>, Answer>> {
    let mut header = [0; HEADER];
    from.read_exact(&mut header).await?;
    let number = |at| read_number(&header, at).unwrap_or_default();
    let length = usize::try_from(number(12)).unwrap_or(usize::MAX);
    if header[..4] != *MAGIC {
        return Ok(Err(Answer::NotSpice));
    }
    if number(4) != MAJOR {
        return Ok(Err(Answer::Version));
    }
    if !(MESSAGE..=LONGEST).contains(&length) {
        return Ok(Err(Answer::Malformed));
    }
    let mut block = vec![0; length];
    from.read_exact(&mut block).await?;
    Ok(Ok(block))
}

fn block(content: &[u8]) -> Vec<u8> {
    let mut block = MAGIC.to_vec();
    let length = u32::try_from(content.len()).unwrap_or(u32::MAX);
    [MAJOR, MINOR, length].iter().for_each(|number| block.extend(number.to_le_bytes()));
    block.extend(content);
    block
}

struct Asked {
    channel: u8,
    has_selection: bool,
}

fn asked(message: &[u8]) -> Option<Asked> {
    let channel = *message.get(4)?;
    let [common, _] = read_capabilities(message, 6, MESSAGE)?;
    Some(Asked { channel, has_selection: common & AUTH_SELECTION != 0 })
}

struct Answered {
    key: Vec<u8>,
    /// Common ones, and those of the channel.
    capabilities: [u32; 2],
}

/// `None` also for what is no good answer.
fn answered(reply: &[u8]) -> Option<Answered> {
    if read_number(reply, 0)? != Answer::Good as u32 {
        return None;
    }
    let capabilities = read_capabilities(reply, 4 + KEY, REPLY)?;
    Some(Answered { key: reply.get(4..4 + KEY)?.to_vec(), capabilities })
}

/// The first of the common capabilities and of the channel's: how many of each, and where they begin, stands at `at`.
fn read_capabilities(block: &[u8], at: usize, least: usize) -> Option<[u32; 2]> {
    let number = |at| usize::try_from(read_number(block, at)?).ok();
    let (common, channel, from) = (number(at)?, number(at + 4)?, number(at + 8)?);
    let end = common.checked_add(channel)?.checked_mul(4)?.checked_add(from)?;
    if from < least || end > block.len() {
        return None;
    }
    let first = |count, at| if count == 0 { Some(0) } else { read_number(block, at) };
    Some([first(common, from)?, first(channel, from + 4 * common)?])
}

fn read_number(bytes: &[u8], at: usize) -> Option<u32> {
    let four = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(four.try_into().ok()?))
}

/// What viewers are told: common capabilities, and those of the channel.
const fn capabilities(channel: u8) -> [u32; 2] {
    let its = match channel {
        DISPLAY => DISPLAY_CAPABILITIES,
        INPUTS => INPUTS_CAPABILITIES,
        _ => 0,
    };
    [AUTH_SELECTION | AUTH_SPICE | MINI_HEADER, its]
}

fn reply(channel: u8, key: &[u8]) -> Vec<u8> {
    let mut reply = (Answer::Good as u32).to_le_bytes().to_vec();
    reply.extend(key);
    let begin = u32::try_from(REPLY).unwrap_or(u32::MAX);
    [1, 1, begin].iter().for_each(|number: &u32| reply.extend(number.to_le_bytes()));
    capabilities(channel).iter().for_each(|word| reply.extend(word.to_le_bytes()));
    block(&reply)
}

#[cfg(test)]
#[path = "spice_tests.rs"]
mod tests;
