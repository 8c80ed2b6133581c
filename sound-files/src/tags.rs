//! Title, artist and so on, between the ways of writing them: RIFF `LIST INFO`, Vorbis comments, and
//! what other containers have.
//!
//! Tags are kept as pairs of a Vorbis comment's name in capitals and a text.

use symphonia::core::meta::{MetadataRevision, RawValue, StandardTag};

/// Names and texts.
pub type Tags = Vec<(String, String)>;

/// RIFF's names and Vorbis's.
const INFO: &[(&[u8; 4], &str)] = &[
    (b"INAM", "TITLE"),
    (b"IART", "ARTIST"),
    (b"IPRD", "ALBUM"),
    (b"ICMT", "COMMENT"),
    (b"ICRD", "DATE"),
    (b"IGNR", "GENRE"),
    (b"ITRK", "TRACKNUMBER"),
    (b"ICOP", "COPYRIGHT"),
    (b"ISFT", "ENCODER"),
    (b"IENG", "ENGINEER"),
    (b"IKEY", "KEYWORDS"),
    (b"ISBJ", "SUBJECT"),
    (b"ISRC", "SOURCE"),
    (b"ITCH", "ENCODED-BY"),
    (b"ILNG", "LANGUAGE"),
];

/// Tags of the body of a `LIST` chunk; none when it is no `INFO` list.
pub fn from_list(bytes: &[u8]) -> Tags {
    let mut tags = Vec::new();
    let Some(mut rest) = bytes.strip_prefix(b"INFO") else { return tags };
    while let (Some(id), Some(length)) = (rest.get(..4), rest.get(4..8)) {
        let length = length.iter().rev().fold(0_usize, |sum, &byte| sum << 8 | usize::from(byte));
        let Some(text) = rest.get(8..8 + length) else { break };
        let text = text.split(|&byte| byte == 0).next().unwrap_or_default();
        // Texts are UTF-8 nowadays and were Latin-1, whose bytes are the first code points.
        let text = std::str::from_utf8(text).map_or_else(|_| text.iter().map(|&byte| char::from(byte)).collect(), str::to_owned);
        if let Some((_, name)) = INFO.iter().find(|(known, _)| known.as_slice() == id)
            && !text.trim().is_empty()
        {
            tags.push(((*name).to_owned(), text));
        }
        rest = rest.get(8 + length + (length & 1)..).unwrap_or_default();
    }
    tags
}

/// The body of a `LIST INFO` chunk; none when no tag has a name there.
pub fn to_list(tags: &Tags) -> Option<Vec<u8>> {
    let mut bytes = b"INFO".to_vec();
    for (id, name) in INFO {
        let texts: Vec<_> = tags.iter().filter(|(known, _)| known == name).map(|(_, text)| text.as_str()).collect();
        if texts.is_empty() {
            continue;
        }
        let mut text = texts.join("; ").into_bytes();
        text.push(0);
        bytes.extend_from_slice(*id);
        bytes.extend_from_slice(&u32::try_from(text.len()).ok()?.to_le_bytes());
        if text.len() % 2 == 1 {
            text.push(0);
        }
        bytes.extend_from_slice(&text);
    }
    (bytes.len() > 4).then_some(bytes)
}

/// Tags of Vorbis comments, `NAME=text`.
pub fn from_comments(fields: &[String]) -> Tags {
    fields.iter().filter_map(|field| field.split_once('=')).map(|(name, text)| (name.to_ascii_uppercase(), text.to_owned())).collect()
}

/// Tags of what a demuxer found.
pub fn from_revision(revision: &MetadataRevision) -> Tags {
    let tags = revision.media.tags.iter().chain(revision.per_track.iter().flat_map(|track| &track.metadata.tags));
    let mut list = Tags::new();
    for tag in tags {
        let name = match &tag.std {
            Some(StandardTag::TrackTitle(_)) => "TITLE",
            Some(StandardTag::Artist(_)) => "ARTIST",
            Some(StandardTag::Album(_)) => "ALBUM",
            Some(StandardTag::AlbumArtist(_)) => "ALBUMARTIST",
            Some(StandardTag::Comment(_)) => "COMMENT",
            Some(StandardTag::Description(_)) => "DESCRIPTION",
            Some(
                StandardTag::ReleaseDate(_) | StandardTag::RecordingDate(_) | StandardTag::ReleaseYear(_) | StandardTag::RecordingYear(_),
            ) => "DATE",
            Some(StandardTag::Genre(_)) => "GENRE",
            Some(StandardTag::TrackNumber(_)) => "TRACKNUMBER",
            Some(StandardTag::Copyright(_)) => "COPYRIGHT",
            Some(StandardTag::Composer(_)) => "COMPOSER",
            Some(StandardTag::Performer(_)) => "PERFORMER",
            Some(StandardTag::Engineer(_)) => "ENGINEER",
            Some(StandardTag::Language(_)) => "LANGUAGE",
            Some(StandardTag::License(_)) => "LICENSE",
            Some(StandardTag::IdentIsrc(_)) => "ISRC",
            _ => continue,
        };
        let text = match &tag.raw.value {
            RawValue::String(text) => text.trim_end_matches('\0').to_owned(),
            RawValue::StringList(texts) => texts.join("; "),
            RawValue::UnsignedInt(number) => number.to_string(),
            RawValue::SignedInt(number) => number.to_string(),
            _ => continue,
        };
        if !text.trim().is_empty() && !list.iter().any(|(known, other)| known == name && *other == text) {
            list.push((name.to_owned(), text));
        }
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_read_back() {
        let tags = vec![("TITLE".to_owned(), "Año".to_owned()), ("ARTIST".to_owned(), "Anna".to_owned())];
        let bytes = to_list(&tags).unwrap();
        assert_eq!(bytes.len() % 2, 0);
        assert_eq!(from_list(&bytes), tags);
        assert_eq!(to_list(&vec![("ISRC".to_owned(), "x".to_owned())]), None);
    }

    #[test]
    fn damaged_lists_give_what_is_whole() {
        let bytes = to_list(&vec![("TITLE".to_owned(), "abc".to_owned()), ("ARTIST".to_owned(), "def".to_owned())]).unwrap();
        for cut in 0..bytes.len() {
            assert!(from_list(&bytes[..cut]).len() < 2);
        }
        assert_eq!(from_list(b"INFOINAM\xff\xff\xff\xffab"), Tags::new());
    }

    #[test]
    fn latin_1_texts_are_read() {
        assert_eq!(from_list(b"INFOINAM\x03\0\0\0A\xf1o\0"), vec![("TITLE".to_owned(), "Año".to_owned())]);
    }
}
