//! One file from the web: goes on where it stopped, arrives whole with the right hash or not at all.

use sha2::{Digest, Sha256};
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;
use ureq::http::header;

/// Most redirects that are followed.
const REDIRECTS: u32 = 5;
/// How often a download that breaks off goes on by itself.
const TRIES: usize = 3;
/// Bytes read at a time.
const CHUNK: usize = 1 << 16;

/// What is to be had.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// Where it is.
    pub url: &'a str,
    /// Its SHA-256 in hex, where that is known.
    pub sha256: Option<&'a str>,
    /// Most bytes that it may have.
    pub most: u64,
}

/// How long is waited.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For a connection, and for an answer.
    pub answer: Duration,
    /// For all of the file, in one try.
    pub whole: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { answer: Duration::from_secs(20), whole: Duration::from_secs(600) }
    }
}

/// Is told bytes that are there and bytes that there will be.
pub type Progress<'a> = &'a dyn Fn(u64, Option<u64>);

/// Why a try ended.
enum Stop {
    /// It breaks off; trying again goes on from there.
    Broken(String),
    /// Trying again makes no sense.
    Final(String),
}

/// Downloads a file into `folder`, under the name of its hash, and gives its place. What came before a
/// break stays there for the next time.
///
/// # Errors
/// What is wrong and what to do, in a line.
pub fn download(wanted: Wanted<'_>, folder: &Path, patience: Patience, progress: Progress<'_>) -> Result<PathBuf, String> {
    std::fs::create_dir_all(folder).map_err(|error| writing(folder, &error))?;
    let key = wanted.sha256.map_or_else(|| hex(&Sha256::digest(wanted.url.as_bytes())), str::to_owned);
    let place = folder.join(&key);
    let part = folder.join(format!("{key}.part"));
    // A whole file from before is as good as a new one if its hash is known.
    if let Some(hash) = wanted.sha256
        && hash_of(&place).is_some_and(|found| found == hash)
    {
        return Ok(place);
    }
    let mut broken = String::new();
    for _ in 0..TRIES {
        let before = length(&part);
        match attempt(wanted, &part, patience, progress) {
            Ok(resumed) => {
                let Some(hash) = wanted.sha256 else { return finish(&part, &place) };
                let found = hash_of(&part).unwrap_or_default();
                if found == hash {
                    return finish(&part, &place);
                }
                forget(&part);
                if !resumed {
                    return Err(format!(
                        "{}: what is there has the hash {found}, {hash} is expected; the author may have changed it, or something on the \
                         way did",
                        wanted.url
                    ));
                }
                // What was there from before was something else: once more from the start.
                broken = "did not fit what was there from before".into();
            }
            Err(Stop::Final(reason)) => return Err(format!("{}: {reason}", wanted.url)),
            Err(Stop::Broken(reason)) => {
                broken = reason;
                if length(&part) <= before && before > 0 {
                    break;
                }
            }
        }
    }
    let kept = length(&part);
    let kept = if kept > 0 { format!("; {kept} bytes are kept, the same command goes on from there") } else { String::new() };
    Err(format!("{}: {broken}{kept}", wanted.url))
}

fn finish(part: &Path, place: &Path) -> Result<PathBuf, String> {
    std::fs::rename(part, place).map_err(|error| writing(place, &error))?;
    forget(part);
    Ok(place.to_owned())
}

/// Takes away what is there of a file.
fn forget(part: &Path) {
    let _ = std::fs::remove_file(part);
    let _ = std::fs::remove_file(tag(part));
}

fn tag(part: &Path) -> PathBuf {
    part.with_extension("tag")
}

fn length(part: &Path) -> u64 {
    part.metadata().map_or(0, |data| data.len())
}

fn hash_of(path: &Path) -> Option<String> {
    let mut hash = Sha256::new();
    std::io::copy(&mut File::open(path).ok()?, &mut hash).ok()?;
    Some(hex(&hash.finalize()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// One request. True when it went on from what was there.
fn attempt(wanted: Wanted<'_>, part: &Path, patience: Patience, progress: Progress<'_>) -> Result<bool, Stop> {
    let mut have = length(part);
    let known = std::fs::read_to_string(tag(part)).ok().filter(|tag| !tag.is_empty());
    // Without a hash to prove it, only the server's tag says that it is still the same file.
    if have > 0 && known.is_none() && wanted.sha256.is_none() {
        have = 0;
    }
    let agent = ureq::Agent::config_builder()
        .max_redirects(REDIRECTS)
        .http_status_as_error(false)
        .user_agent(concat!("plainsong/", env!("CARGO_PKG_VERSION")))
        .timeout_resolve(Some(patience.answer))
        .timeout_connect(Some(patience.answer))
        .timeout_recv_response(Some(patience.answer))
        .timeout_recv_body(Some(patience.whole))
        .build()
        .new_agent();
    let mut request = agent.get(wanted.url);
    if have > 0 {
        request = request.header(header::RANGE, format!("bytes={have}-"));
        if let Some(known) = &known {
            request = request.header(header::IF_RANGE, known);
        }
    }
    let response = request.call().map_err(|error| said(&error))?;
    let text = |name| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let resumed = match response.status().as_u16() {
        200 => false,
        // "bytes FIRST-LAST/ALL"
        206 if have > 0 => {
            let range = text(header::CONTENT_RANGE);
            let first = range.as_deref().and_then(|range| range.strip_prefix("bytes ")?.split('-').next()?.parse::<u64>().ok());
            if first != Some(have) {
                forget(part);
                return Err(Stop::Broken("the server gave another part than was asked for".into()));
            }
            true
        }
        416 => {
            forget(part);
            return Err(Stop::Broken("there is not as much as was there before".into()));
        }
        404 | 410 => return Err(Stop::Final("there is no such file (any more); look at the model's homepage for where it is now".into())),
        401 | 403 => {
            return Err(Stop::Final("the server does not give it to everybody; download it yourself and use: models add FILE".into()));
        }
        429 | 500..=599 => return Err(Stop::Broken(format!("the server has a problem ({}); try again later", response.status()))),
        _ => return Err(Stop::Final(format!("the server answers {}, which is no file", response.status()))),
    };
    let start = if resumed { have } else { 0 };
    let rest = text(header::CONTENT_LENGTH).and_then(|length| length.parse::<u64>().ok());
    let total = rest.map(|rest| start.saturating_add(rest));
    if total.is_some_and(|total| total > wanted.most) {
        return Err(Stop::Final(format!("it has {} bytes; {} at most can be", total.unwrap_or(0), wanted.most)));
    }
    let full = |error: std::io::Error| Stop::Final(writing(part, &error));
    match text(header::ETAG).filter(|tag| !tag.starts_with("W/")) {
        Some(etag) if !resumed => std::fs::write(tag(part), etag).map_err(full)?,
        None if !resumed => _ = std::fs::remove_file(tag(part)),
        _ => {}
    }
    let mut file = OpenOptions::new().create(true).write(true).truncate(false).open(part).map_err(full)?;
    if file.metadata().is_ok_and(|data| data.is_file()) {
        file.set_len(start).map_err(full)?;
    }
    file.seek(SeekFrom::Start(start)).map_err(full)?;
    let mut reader = response.into_body().into_reader();
    let mut buffer = vec![0; CHUNK];
    let mut done = start;
    loop {
        progress(done, total);
        let count = match reader.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(Stop::Broken(broke(done, total, &error))),
        };
        done += count as u64;
        if done > wanted.most {
            drop(file);
            forget(part);
            return Err(Stop::Final(format!("it is longer than the {} bytes that can be", wanted.most)));
        }
        file.write_all(&buffer[..count]).map_err(full)?;
    }
    file.sync_all().or_else(|error| if error.kind() == ErrorKind::InvalidInput { Ok(()) } else { Err(full(error)) })?;
    match total {
        Some(total) if done < total => Err(Stop::Broken(format!("broke off after {done} of {total} bytes"))),
        _ => Ok(resumed),
    }
}

fn broke(done: u64, total: Option<u64>, error: &std::io::Error) -> String {
    let of = total.map(|total| format!(" of {total}")).unwrap_or_default();
    let why = if error.to_string().contains("timeout") || error.kind() == ErrorKind::TimedOut { " (nothing came any more)" } else { "" };
    format!("broke off after {done}{of} bytes{why}")
}

/// What the client says, in words for who asked.
fn said(error: &ureq::Error) -> Stop {
    use ureq::Error as E;
    match error {
        E::TooManyRedirects | E::RedirectFailed => Stop::Final(format!("leads in a circle (more than {REDIRECTS} redirects)")),
        E::HostNotFound => Stop::Broken("the server's name is not known; is this machine online?".into()),
        E::ConnectionFailed => Stop::Broken("the server cannot be reached; is this machine online?".into()),
        E::Timeout(_) => Stop::Broken("the server does not answer; is this machine online?".into()),
        E::Io(error)
            if matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::NetworkUnreachable | ErrorKind::HostUnreachable) =>
        {
            Stop::Broken("the server cannot be reached; is this machine online?".into())
        }
        E::Io(error) if error.to_string().contains("lookup address") => {
            Stop::Broken("the server's name is not known; is this machine online?".into())
        }
        E::Io(error) => Stop::Broken(format!("the connection broke ({error})")),
        E::BadUri(_) => Stop::Final("is no address; it begins with https://".into()),
        other => Stop::Final(format!("{other}")),
    }
}

/// What writing into the data folder met, in words.
pub fn writing(place: &Path, error: &std::io::Error) -> String {
    let place = place.display();
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
            format!("there is no room on the disk for {place}; make room and run the same command again")
        }
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => format!("{place} may not be written; give yourself the permission"),
        _ => format!("{place} cannot be written ({error})"),
    }
}
