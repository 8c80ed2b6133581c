//! What stands beside the sound of compressed files: chapters and pictures, between the ways of writing them.

use crate::tags::Tags;
use flac_codec::metadata::Picture as FlacPicture;
use id3::frame::{Chapter as ChapterFrame, Picture as PictureFrame, PictureType, TableOfContents};
use id3::{Frame, Tag, TagLike, Version};
use symphonia::core::meta::{ChapterGroup, ChapterGroupItem, StandardTag};

/// A labelled part of a programme.
#[derive(Clone, Debug, PartialEq)]
pub struct Chapter {
    /// Where it begins, in seconds.
    pub start: f64,
    /// Where it ends, in seconds, where that is told.
    pub end: Option<f64>,
    /// What it is called.
    pub title: String,
}

/// A picture, such as the cover.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// What it shows: a number of ID3's table (`APIC`), 3 is the front cover.
    pub kind: u8,
    /// Its media type.
    pub mime: String,
    /// A few words.
    pub description: String,
    /// The file.
    pub data: Vec<u8>,
}

/// What stands beside the sound.
#[derive(Clone, Debug, Default)]
pub struct Extras {
    /// Chapters in their order.
    pub chapters: Vec<Chapter>,
    /// Pictures.
    pub pictures: Vec<Picture>,
    /// The whole ID3 tag of a file that begins with one: what has no place elsewhere goes from MP3 to MP3.
    pub id3: Option<Box<Tag>>,
}

/// Names of ID3's text frames and Vorbis's.
const TEXTS: [(&str, &str); 13] = [
    ("TIT2", "TITLE"),
    ("TPE1", "ARTIST"),
    ("TALB", "ALBUM"),
    ("TPE2", "ALBUMARTIST"),
    ("TDRC", "DATE"),
    ("TCON", "GENRE"),
    ("TRCK", "TRACKNUMBER"),
    ("TCOP", "COPYRIGHT"),
    ("TCOM", "COMPOSER"),
    ("TLAN", "LANGUAGE"),
    ("TSRC", "ISRC"),
    ("TENC", "ENCODED-BY"),
    ("TSSE", "ENCODER"),
];
/// Most bytes of a picture that is taken along.
const MOST_PICTURE: usize = 16 << 20;

impl Extras {
    /// Of an ID3 tag.
    pub fn of_id3(tag: Tag) -> Self {
        let mut chapters: Vec<Chapter> = tag
            .chapters()
            .map(|chapter| Chapter {
                start: f64::from(chapter.start_time) / 1_000.0,
                end: (chapter.end_time > chapter.start_time).then(|| f64::from(chapter.end_time) / 1_000.0),
                title: chapter
                    .frames
                    .iter()
                    .find(|frame| frame.id() == "TIT2")
                    .and_then(|frame| frame.content().text())
                    .unwrap_or("")
                    .to_owned(),
            })
            .collect();
        chapters.sort_by(|a, b| a.start.total_cmp(&b.start));
        let picture = |picture: &PictureFrame| Picture {
            kind: u8::from(picture.picture_type),
            mime: picture.mime_type.clone(),
            description: picture.description.clone(),
            data: picture.data.clone(),
        };
        Self { chapters, pictures: tag.pictures().map(picture).collect(), id3: Some(Box::new(tag)) }
    }

    /// Adds what a demuxer found.
    pub fn add_group(&mut self, group: &ChapterGroup) {
        for item in &group.items {
            match item {
                ChapterGroupItem::Group(group) => self.add_group(group),
                ChapterGroupItem::Chapter(chapter) => {
                    let title = chapter.tags.iter().find_map(|tag| match &tag.std {
                        Some(StandardTag::ChapterTitle(title) | StandardTag::TrackTitle(title)) => Some(title.to_string()),
                        _ => None,
                    });
                    let end = chapter.end_time.map(|time| time.as_secs_f64());
                    self.chapters.push(Chapter { start: chapter.start_time.as_secs_f64(), end, title: title.unwrap_or_default() });
                }
            }
        }
        self.chapters.sort_by(|a, b| a.start.total_cmp(&b.start));
    }

    /// Adds a FLAC file's picture.
    pub fn add_flac(&mut self, picture: &FlacPicture) {
        let kind = picture_kind(&picture.picture_type);
        let (mime, description) = (picture.media_type.clone(), picture.description.clone());
        self.pictures.push(Picture { kind, mime, description, data: picture.data.clone() });
    }

    /// An ID3 tag with all of it, for a file of `seconds`.
    pub fn to_id3(&self, tags: &Tags, seconds: f64) -> Tag {
        let mut tag = self.id3.as_deref().cloned().unwrap_or_default();
        if self.id3.is_none() {
            for (id, name) in TEXTS {
                let texts: Vec<&str> = tags.iter().filter(|(known, _)| known == name).map(|(_, text)| text.as_str()).collect();
                if !texts.is_empty() {
                    tag.set_text(id, texts.join("; "));
                }
            }
            for (_, text) in tags.iter().filter(|(name, _)| name == "COMMENT" || name == "DESCRIPTION") {
                tag.add_frame(id3::frame::Comment { lang: "und".into(), description: String::new(), text: text.clone() });
            }
            for picture in self.pictures.iter().filter(|picture| picture.data.len() <= MOST_PICTURE) {
                tag.add_frame(PictureFrame {
                    mime_type: picture.mime.clone(),
                    picture_type: id3_kind(picture.kind),
                    description: picture.description.clone(),
                    data: picture.data.clone(),
                });
            }
        }
        // Lengths of the source, and where its chapters were.
        for id in ["TLEN", "TDLY", "CHAP", "CTOC", "MLLT", "ETCO", "SYTC", "SYLT"] {
            tag.remove(id);
        }
        let milliseconds = |seconds: f64| (seconds.max(0.0) * 1_000.0).round() as u32;
        let names: Vec<String> = (1..=self.chapters.len()).map(|number| format!("chp{number}")).collect();
        for (index, (chapter, name)) in self.chapters.iter().zip(&names).enumerate() {
            let end = self.chapters.get(index + 1).map_or(seconds, |next| next.start);
            tag.add_frame(ChapterFrame {
                element_id: name.clone(),
                start_time: milliseconds(chapter.start),
                end_time: milliseconds(chapter.end.unwrap_or(end).min(seconds).max(chapter.start)),
                // Bytes are not used where times are (ID3v2 Chapter Frame Addendum, 3.1).
                start_offset: u32::MAX,
                end_offset: u32::MAX,
                frames: vec![Frame::text("TIT2", chapter.title.clone())],
            });
        }
        // Of an ordered table some players read 255 entries at most, which is what one can hold.
        if !names.is_empty() && names.len() <= 255 {
            tag.add_frame(TableOfContents {
                element_id: "toc".into(),
                top_level: true,
                ordered: true,
                elements: names,
                frames: Vec::new(),
            });
        }
        tag
    }

    /// The tag's bytes; none where there is nothing to tell.
    pub fn id3_bytes(&self, tags: &Tags, seconds: f64) -> Option<Vec<u8>> {
        let tag = self.to_id3(tags, seconds);
        let mut bytes = Vec::new();
        // Version 2.3 is what all players read.
        let version = self.id3.as_ref().map_or(Version::Id3v23, |tag| tag.version());
        let version = if version == Version::Id3v22 { Version::Id3v23 } else { version };
        (tag.frames().next().is_some() && tag.write_to(&mut bytes, version).is_ok()).then_some(bytes)
    }

    /// Chapters and pictures as Vorbis comments, which Opus has, too (the Xiph wiki, "Chapter Extension"; FLAC's picture
    /// block in base 64).
    pub fn comments(&self) -> Tags {
        let mut fields = self.chapter_comments();
        for picture in self.pictures.iter().filter(|picture| picture.data.len() <= MOST_PICTURE) {
            let mut block = u32::from(picture.kind).to_be_bytes().to_vec();
            for text in [picture.mime.as_bytes(), picture.description.as_bytes()] {
                block.extend_from_slice(&(text.len() as u32).to_be_bytes());
                block.extend_from_slice(text);
            }
            // Width, height, depth and number of colours are not known, which 0 says.
            block.extend_from_slice(&[0; 16]);
            block.extend_from_slice(&(picture.data.len() as u32).to_be_bytes());
            block.extend_from_slice(&picture.data);
            fields.push(("METADATA_BLOCK_PICTURE".into(), crate::base64::encode(&block)));
        }
        fields
    }

    /// The chapters alone.
    pub fn chapter_comments(&self) -> Tags {
        let mut fields = Tags::new();
        for (index, chapter) in self.chapters.iter().enumerate().take(1_000) {
            let milliseconds = (chapter.start.max(0.0) * 1_000.0).round() as u64;
            let (seconds, rest) = (milliseconds / 1_000, milliseconds % 1_000);
            let time = format!("{:02}:{:02}:{:02}.{rest:03}", seconds / 3_600, seconds / 60 % 60, seconds % 60);
            fields.push((format!("CHAPTER{index:03}"), time));
            fields.push((format!("CHAPTER{index:03}NAME"), chapter.title.clone()));
        }
        fields
    }
}

/// Chapters of Vorbis comments.
pub fn from_comments(tags: &Tags) -> Vec<Chapter> {
    let text = |name: &str| tags.iter().find(|(known, _)| known == name).map(|(_, text)| text.as_str());
    let time = |text: &str| {
        let parts: Vec<f64> = text.split(':').map(|part| part.trim().parse().ok()).collect::<Option<_>>()?;
        (parts.len() <= 3).then(|| parts.iter().fold(0.0, |sum, part| sum * 60.0 + part))
    };
    let chapter = |number: usize| {
        let name = format!("CHAPTER{number:03}");
        let start = time(text(&name)?)?;
        Some(Chapter { start, end: None, title: text(&format!("{name}NAME")).unwrap_or("").to_owned() })
    };
    let mut chapters: Vec<Chapter> = (0..1_000).filter_map(chapter).collect();
    chapters.sort_by(|a, b| a.start.total_cmp(&b.start));
    chapters
}

fn id3_kind(kind: u8) -> PictureType {
    const KINDS: [PictureType; 21] = [
        PictureType::Other,
        PictureType::Icon,
        PictureType::OtherIcon,
        PictureType::CoverFront,
        PictureType::CoverBack,
        PictureType::Leaflet,
        PictureType::Media,
        PictureType::LeadArtist,
        PictureType::Artist,
        PictureType::Conductor,
        PictureType::Band,
        PictureType::Composer,
        PictureType::Lyricist,
        PictureType::RecordingLocation,
        PictureType::DuringRecording,
        PictureType::DuringPerformance,
        PictureType::ScreenCapture,
        PictureType::BrightFish,
        PictureType::Illustration,
        PictureType::BandLogo,
        PictureType::PublisherLogo,
    ];
    KINDS.get(usize::from(kind)).copied().unwrap_or(PictureType::Other)
}

/// FLAC has ID3's numbers.
fn picture_kind(kind: &flac_codec::metadata::PictureType) -> u8 {
    use flac_codec::metadata::PictureType as Kind;
    match kind {
        Kind::FrontCover => 3,
        Kind::BackCover => 4,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extras() -> Extras {
        let chapter = |start, title: &str| Chapter { start, end: None, title: title.into() };
        let cover = Picture { kind: 3, mime: "image/png".into(), description: String::new(), data: vec![1, 2, 3] };
        Extras { chapters: vec![chapter(0.0, "Intro"), chapter(3_723.25, "Año")], pictures: vec![cover], id3: None }
    }

    #[test]
    fn chapters_and_covers_go_through_id3() {
        let tags = vec![("TITLE".to_owned(), "Folge 1".to_owned()), ("COMMENT".to_owned(), "ü".to_owned())];
        let bytes = extras().id3_bytes(&tags, 4_000.0).unwrap();
        let read = Tag::read_from2(std::io::Cursor::new(&bytes)).unwrap();
        assert_eq!(read.title(), Some("Folge 1"));
        let back = Extras::of_id3(read);
        let starts: Vec<_> = back.chapters.iter().map(|chapter| (chapter.start, chapter.end, chapter.title.as_str())).collect();
        assert_eq!(starts, [(0.0, Some(3_723.25), "Intro"), (3_723.25, Some(4_000.0), "Año")]);
        assert_eq!(back.pictures, extras().pictures);
        // And once more, from ID3 to ID3, with frames that nothing else has.
        let mut tag = *back.id3.clone().unwrap();
        tag.add_frame(Frame::link("WOAF", "place"));
        let again = Extras::of_id3(tag).to_id3(&Tags::new(), 4_000.0);
        assert_eq!((again.chapters().count(), again.tables_of_contents().count()), (2, 1));
        assert!(again.get("WOAF").is_some());
    }

    #[test]
    fn chapters_go_through_comments() {
        let read = from_comments(&extras().comments());
        assert_eq!(read, extras().chapters);
        assert_eq!(from_comments(&vec![("CHAPTER000".to_owned(), "x".to_owned())]), Vec::new());
    }
}
