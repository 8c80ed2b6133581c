//! Reads members of `.zip` (so also wheels) and `.tar.gz`, as much as models come in: no encryption, no
//! Zip64, no links. Nothing is written here, so a member's name cannot lead anywhere.

use flate2::read::{DeflateDecoder, GzDecoder};
use std::io::Read;

/// Most members that are looked at.
const MAX_MEMBERS: usize = 4_096;
/// Largest tar archive when unpacked, in bytes.
const MAX_UNPACKED: u64 = 512 << 20;

/// Files of an archive whose names `wanted` takes, each of `most` bytes at the most.
///
/// # Errors
/// What is wrong, in a sentence.
pub fn members(bytes: &[u8], most: u64, wanted: &dyn Fn(&str) -> bool) -> Result<Vec<(String, Vec<u8>)>, String> {
    if bytes.starts_with(b"PK") {
        zip(bytes, most, wanted)
    } else if bytes.starts_with(&[0x1f, 0x8b]) {
        tar(bytes, most, wanted)
    } else {
        Err("is no .zip and no .tar.gz".into())
    }
}

const CUT: &str = "the archive is cut off or broken";

fn number(bytes: &[u8], at: usize, length: usize) -> Result<usize, String> {
    let part = bytes.get(at..at + length).ok_or(CUT)?;
    Ok(part.iter().rev().fold(0, |sum, byte| sum << 8 | usize::from(*byte)))
}

fn bounded(reader: impl Read, name: &str, most: u64) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    reader.take(most + 1).read_to_end(&mut out).map_err(|_| format!("{name}: {CUT}"))?;
    if out.len() as u64 > most { Err(format!("{name} is larger than {most} bytes")) } else { Ok(out) }
}

/// By the central directory (APPNOTE.TXT 6.3, sections 4.3.12 and 4.3.16).
fn zip(bytes: &[u8], most: u64, wanted: &dyn Fn(&str) -> bool) -> Result<Vec<(String, Vec<u8>)>, String> {
    const END: [u8; 4] = [0x50, 0x4b, 0x05, 0x06];
    const END_LENGTH: usize = 22;
    const ENTRY: [u8; 4] = [0x50, 0x4b, 0x01, 0x02];
    const ENTRY_LENGTH: usize = 46;
    const LOCAL_LENGTH: usize = 30;
    // A comment may stand behind the end, of 64 KiB at most.
    let first = bytes.len().saturating_sub(END_LENGTH + 0xffff);
    let last = bytes.len().checked_sub(END_LENGTH).ok_or(CUT)?;
    let end = (first..=last).rev().find(|&at| bytes[at..].starts_with(&END)).ok_or(CUT)?;
    let (count, mut at) = (number(bytes, end + 10, 2)?, number(bytes, end + 16, 4)?);
    let mut found = Vec::new();
    for _ in 0..count.min(MAX_MEMBERS) {
        if !bytes.get(at..).is_some_and(|rest| rest.starts_with(&ENTRY)) {
            return Err(CUT.into());
        }
        let (flags, method, packed) = (number(bytes, at + 8, 2)?, number(bytes, at + 10, 2)?, number(bytes, at + 20, 4)?);
        let [name_length, extra, comment] = [28, 30, 32].map(|place| number(bytes, at + place, 2));
        let (name_length, behind) = (name_length?, extra? + comment?);
        let local = number(bytes, at + 42, 4)?;
        let name = bytes.get(at + ENTRY_LENGTH..at + ENTRY_LENGTH + name_length).ok_or(CUT)?;
        let name = String::from_utf8_lossy(name).into_owned();
        at += ENTRY_LENGTH + name_length + behind;
        if name.ends_with('/') || !wanted(&name) {
            continue;
        }
        if flags & 1 != 0 {
            return Err(format!("{name} is encrypted; unpack it yourself"));
        }
        let start = local + LOCAL_LENGTH + number(bytes, local + 26, 2)? + number(bytes, local + 28, 2)?;
        let data = bytes.get(start..start.saturating_add(packed)).ok_or(CUT)?;
        let data = match method {
            0 => bounded(data, &name, most)?,
            8 => bounded(DeflateDecoder::new(data), &name, most)?,
            other => return Err(format!("{name} is packed by method {other}; stored and deflated are read")),
        };
        found.push((name, data));
    }
    Ok(found)
}

/// By the headers of POSIX.1-2008 (ustar). Long names of GNU and pax are not joined: such members are
/// found under their short names.
fn tar(bytes: &[u8], most: u64, wanted: &dyn Fn(&str) -> bool) -> Result<Vec<(String, Vec<u8>)>, String> {
    const BLOCK: usize = 512;
    let mut reader = GzDecoder::new(bytes).take(MAX_UNPACKED);
    let mut found = Vec::new();
    for _ in 0..MAX_MEMBERS {
        let mut header = [0; BLOCK];
        if reader.read_exact(&mut header).is_err() {
            return Err(CUT.into());
        }
        if header.iter().all(|byte| *byte == 0) {
            break;
        }
        let text = |range: std::ops::Range<usize>| {
            let part = &header[range];
            String::from_utf8_lossy(&part[..part.iter().position(|byte| *byte == 0).unwrap_or(part.len())]).into_owned()
        };
        let (prefix, short) = (text(345..500), text(0..100));
        // The prefix belongs to ustar only; GNU keeps times in its place.
        let name = if prefix.is_empty() || &header[257..263] != b"ustar\0" { short } else { format!("{prefix}/{short}") };
        let size = u64::from_str_radix(text(124..136).trim(), 8).map_err(|_| CUT.to_owned())?;
        let plain = matches!(header[156], 0 | b'0');
        let mut rest = size.div_ceil(BLOCK as u64) * BLOCK as u64;
        if plain && wanted(name.trim_start_matches("./")) {
            let data = bounded(reader.by_ref().take(size), &name, most)?;
            if data.len() as u64 != size {
                return Err(CUT.into());
            }
            rest -= size;
            found.push((name.trim_start_matches("./").to_owned(), data));
        }
        let skipped = std::io::copy(&mut reader.by_ref().take(rest), &mut std::io::sink()).map_err(|_| CUT.to_owned())?;
        if skipped != rest {
            return Err(CUT.into());
        }
    }
    Ok(found)
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use flate2::write::{DeflateEncoder, GzEncoder};
    use std::io::Write;

    /// A `.tar.gz` of files.
    pub fn tar_gz(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut out = GzEncoder::new(Vec::new(), flate2::Compression::fast());
        for (name, data) in files {
            let mut header = [0_u8; 512];
            header[..name.len()].copy_from_slice(name.as_bytes());
            header[124..135].copy_from_slice(format!("{:011o}", data.len()).as_bytes());
            header[156] = b'0';
            header[257..263].copy_from_slice(b"ustar\0");
            out.write_all(&header).unwrap();
            out.write_all(data).unwrap();
            out.write_all(&vec![0; data.len().next_multiple_of(512) - data.len()]).unwrap();
        }
        out.write_all(&[0; 1024]).unwrap();
        out.finish().unwrap()
    }

    /// A `.zip` of files, each second one deflated.
    pub fn zip_of(files: &[(&str, &[u8])]) -> Vec<u8> {
        let (mut out, mut directory) = (Vec::new(), Vec::new());
        for (index, (name, data)) in files.iter().enumerate() {
            let method = if index % 2 == 1 { 8_u16 } else { 0 };
            let packed = if method == 8 {
                let mut encoder = DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
                encoder.write_all(data).unwrap();
                encoder.finish().unwrap()
            } else {
                data.to_vec()
            };
            let offset = out.len() as u32;
            // From "version needed" to the lengths: the same in both headers. The check sum is not looked at.
            let mut common = vec![20, 0, 0, 0];
            common.extend(method.to_le_bytes());
            common.extend([0; 8]);
            common.extend((packed.len() as u32).to_le_bytes());
            common.extend((data.len() as u32).to_le_bytes());
            common.extend((name.len() as u16).to_le_bytes());
            common.extend([0, 0]);
            out.extend(b"PK\x03\x04");
            out.extend(&common);
            out.extend(name.as_bytes());
            out.extend(&packed);
            directory.extend(b"PK\x01\x02\x14\0");
            directory.extend(&common);
            directory.extend([0; 10]);
            directory.extend(offset.to_le_bytes());
            directory.extend(name.as_bytes());
        }
        let start = out.len() as u32;
        out.extend(&directory);
        out.extend(b"PK\x05\x06\0\0\0\0");
        out.extend([files.len() as u16; 2].iter().flat_map(|count| count.to_le_bytes()));
        out.extend((directory.len() as u32).to_le_bytes());
        out.extend(start.to_le_bytes());
        out.extend([0, 0]);
        out
    }

    #[test]
    fn members_come_out_as_they_went_in() {
        let (first, second) = (vec![7_u8; 1_000], b"a text that is deflated, deflated, deflated".repeat(40));
        let files: [(&str, &[u8]); 3] = [("a/first", &first), ("b", &second), ("c", b"")];
        for archive in [tar_gz(&files), zip_of(&files)] {
            let found = members(&archive, 1 << 20, &|name| name != "c").unwrap();
            assert_eq!(found, [("a/first".to_owned(), first.clone()), ("b".to_owned(), second.clone())]);
            let error = members(&archive, 100, &|_| true).unwrap_err();
            assert!(error.contains("larger than 100"), "{error}");
        }
    }

    #[test]
    fn broken_archives_are_refused_and_none_panics() {
        let files: [(&str, &[u8]); 2] = [("first", b"one two three"), ("second", b"four five six four five six")];
        for archive in [tar_gz(&files), zip_of(&files)] {
            for end in 0..archive.len() {
                let _ = members(&archive[..end], 1 << 20, &|_| true);
            }
            for at in 0..archive.len() {
                let mut broken = archive.clone();
                broken[at] ^= 0xff;
                let _ = members(&broken, 1 << 20, &|_| true);
            }
            assert!(members(&archive[..archive.len() / 2], 1 << 20, &|_| true).is_err());
        }
        assert!(members(b"neither", 1, &|_| true).unwrap_err().contains("no .zip"));
    }
}
