//! `cargo xtask render` from outside: files in, files out, lines and exit status.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};

const PROGRAM: &str = env!("CARGO_BIN_EXE_xtask");

/// A folder that goes when the test ends.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("plainsong-render-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path.canonicalize().unwrap())
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.at(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }

    /// All files below, hidden ones too, as relative paths in order.
    fn files(&self) -> Vec<String> {
        fn walk(folder: &Path, root: &Path, list: &mut Vec<String>) {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    walk(&path, root, list);
                } else {
                    list.push(path.strip_prefix(root).unwrap().to_string_lossy().into_owned());
                }
            }
        }
        let mut list = Vec::new();
        walk(&self.0, &self.0, &mut list);
        list.sort();
        list
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Runs `render denoise` with words; paths among them are given as `Path`s by [`words!`].
fn render(words: &[&std::ffi::OsStr]) -> Output {
    Command::new(PROGRAM).args(["render", "denoise"]).args(words).output().unwrap()
}

macro_rules! render {
    ($($word:expr),* $(,)?) => { render(&[$(std::ffi::OsStr::new(&$word)),*]) };
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[track_caller]
fn done(output: &Output) {
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(text(&output.stderr), "");
}

/// Asserts the status and exactly one line that holds all the parts.
#[track_caller]
fn refused(output: &Output, status: i32, parts: &[&str]) {
    let line = text(&output.stderr);
    assert_eq!(output.status.code(), Some(status), "{line}");
    assert_eq!(line.lines().count(), 1, "{line}");
    assert!(line.starts_with("error: "), "{line}");
    for part in parts {
        assert!(line.contains(part), "\"{part}\" is missing in: {line}");
    }
}

/// Repeatable noise from -1 to 1.
fn noise(seed: u64) -> impl FnMut() -> f32 {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    }
}

/// Something like speech in noise, `[channel][sample]`.
fn sound(channels: usize, frames: usize, rate: u32) -> Vec<Vec<f32>> {
    let one = |channel: usize| {
        let mut noise = noise(channel as u64 + 1);
        (0..frames)
            .map(|n| {
                let t = n as f32 / rate as f32;
                let tone = (t * 220.0 * std::f32::consts::TAU).sin() * (t * 3.0 * std::f32::consts::TAU).sin().max(0.0);
                0.3 * tone + 0.03 * noise()
            })
            .collect()
    };
    (0..channels).map(one).collect()
}

fn chunk(id: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let mut bytes = id.to_vec();
    bytes.extend((body.len() as u32).to_le_bytes());
    bytes.extend(body);
    if body.len() % 2 == 1 {
        bytes.push(0);
    }
    bytes
}

/// A format chunk: tag 1 is integers, 3 floats.
fn format(tag: u16, channels: u16, rate: u32, bits: u16) -> Vec<u8> {
    let frame = channels * (bits / 8);
    let mut body = Vec::new();
    body.extend(tag.to_le_bytes());
    body.extend(channels.to_le_bytes());
    body.extend(rate.to_le_bytes());
    body.extend((rate.wrapping_mul(u32::from(frame))).to_le_bytes());
    body.extend(frame.to_le_bytes());
    body.extend(bits.to_le_bytes());
    chunk(b"fmt ", &body)
}

fn riff(chunks: &[Vec<u8>]) -> Vec<u8> {
    let body: Vec<u8> = chunks.concat();
    let mut bytes = b"RIFF".to_vec();
    bytes.extend((body.len() as u32 + 4).to_le_bytes());
    bytes.extend(b"WAVE");
    bytes.extend(body);
    bytes
}

fn samples(sound: &[Vec<f32>], bits: u16) -> Vec<u8> {
    let mut bytes = Vec::new();
    for frame in 0..sound.first().map_or(0, Vec::len) {
        for channel in sound {
            match bits {
                16 => bytes.extend(((channel[frame] * 32_768.0).round() as i16).to_le_bytes()),
                24 => bytes.extend(&((channel[frame] * 8_388_608.0).round() as i32).to_le_bytes()[..3]),
                _ => bytes.extend(channel[frame].to_le_bytes()),
            }
        }
    }
    bytes
}

/// A WAV file; 32 bits are floats.
fn wav(sound: &[Vec<f32>], rate: u32, bits: u16) -> Vec<u8> {
    let tag = if bits == 32 { 3 } else { 1 };
    riff(&[format(tag, sound.len() as u16, rate, bits), chunk(b"data", &samples(sound, bits))])
}

/// Chunks of a WAV file in order.
fn chunks(bytes: &[u8]) -> Vec<([u8; 4], Vec<u8>)> {
    assert_eq!(&bytes[..4], b"RIFF");
    assert_eq!(u32::from_le_bytes(bytes[4..8].try_into().unwrap()) as usize, bytes.len() - 8);
    let mut list = Vec::new();
    let mut at = 12;
    while at < bytes.len() {
        let length = u32::from_le_bytes(bytes[at + 4..at + 8].try_into().unwrap()) as usize;
        list.push((bytes[at..at + 4].try_into().unwrap(), bytes[at + 8..at + 8 + length].to_vec()));
        at += 8 + length + length % 2;
    }
    list
}

/// Rate, bits and sound of a WAV file.
fn read(path: &Path) -> (u32, u16, Vec<Vec<f32>>) {
    let list = chunks(&fs::read(path).unwrap());
    let find = |id: &[u8; 4]| &list.iter().find(|(known, _)| known == id).unwrap().1;
    let (format, data) = (find(b"fmt "), find(b"data"));
    let field = |at: usize| u16::from_le_bytes(format[at..at + 2].try_into().unwrap());
    let (channels, bits) = (usize::from(field(2)), field(14));
    let size = usize::from(bits / 8);
    let mut sound = vec![Vec::new(); channels];
    for (index, bytes) in data.chunks_exact(size).enumerate() {
        sound[index % channels].push(match *bytes {
            [a, b] => f32::from(i16::from_le_bytes([a, b])) / 32_768.0,
            [a, b, c] => (i32::from_le_bytes([0, a, b, c]) >> 8) as f32 / 8_388_608.0,
            _ => f32::from_le_bytes(bytes.try_into().unwrap()),
        });
    }
    (u32::from_le_bytes(format[4..8].try_into().unwrap()), bits, sound)
}

#[track_caller]
fn close(a: &[Vec<f32>], b: &[Vec<f32>], most: f32) {
    assert_eq!(a.len(), b.len(), "channels");
    for (channel, (a, b)) in a.iter().zip(b).enumerate() {
        assert_eq!(a.len(), b.len(), "length of channel {channel}");
        for (at, (a, b)) in a.iter().zip(b).enumerate() {
            assert!((a - b).abs() <= most, "channel {channel}, sample {at}: {a} and {b}");
        }
    }
}

fn fixture(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/render_fixtures").join(name);
    assert!(path.is_file(), "{} is missing", path.display());
    path
}

// ---- sound ----

#[test]
fn untouched_sound_is_aligned_and_as_long_as_it_was() {
    let folder = Folder::new();
    for rate in [16_000, 44_100, 48_000, 96_000] {
        for frames in [0, 1, 2, 479, 480, 8_191, 8_192, 20_011] {
            let original = sound(1, frames, rate);
            let input = folder.write("in.wav", &wav(&original, rate, 32));
            done(&render!(input, "-o", folder.at("out.wav"), "--set", "amount=0", "--overwrite", "-q"));
            let (got_rate, bits, got) = read(&folder.at("out.wav"));
            assert_eq!((got_rate, bits), (rate, 32));
            close(&got, &original, 2e-6);
        }
    }
}

#[test]
fn depth_is_kept_and_dither_stays_within_its_steps() {
    let folder = Folder::new();
    let original = sound(2, 12_000, 48_000);
    for (bits, step) in [(16_u16, 1.0 / 32_768.0), (24, 1.0 / 8_388_608.0)] {
        let input = folder.write("in.wav", &wav(&original, 48_000, bits));
        done(&render!(input, "-o", folder.at("out.wav"), "--set", "amount=0", "--overwrite", "-q"));
        let (_, got_bits, got) = read(&folder.at("out.wav"));
        assert_eq!(got_bits, bits);
        // Rounding of the input, rounding of the output and dither; 24 bits add the engine's own.
        close(&got, &original, 2.1 * step + 1e-6);
    }
    let input = folder.write("in.wav", &wav(&original, 48_000, 32));
    for (word, bits) in [("16", 16), ("24", 24), ("32f", 32)] {
        done(&render!(input, "-o", folder.at("out.wav"), "--bits", word, "--overwrite", "-q"));
        assert_eq!(read(&folder.at("out.wav")).1, bits);
    }
}

/// The error of a float file written to 16 bits has the mean 0 and the power 1/4 step squared of
/// triangular dither.
#[test]
fn fewer_bits_get_triangular_dither() {
    let folder = Folder::new();
    let original = vec![(0..200_000).map(|n| 0.01 * (n as f32 * 0.001).sin()).collect::<Vec<f32>>()];
    let input = folder.write("in.wav", &wav(&original, 48_000, 32));
    done(&render!(input, "-o", folder.at("out.wav"), "--bits", "16", "--set", "bypass=on", "-q"));
    let (_, _, got) = read(&folder.at("out.wav"));
    let errors: Vec<f64> = got[0].iter().zip(&original[0]).map(|(a, b)| f64::from(a - b) * 32_768.0).collect();
    let mean = errors.iter().sum::<f64>() / errors.len() as f64;
    let power = errors.iter().map(|error| error * error).sum::<f64>() / errors.len() as f64;
    assert!(mean.abs() < 0.006, "{mean}");
    assert!((power - 0.25).abs() < 0.006, "{power}");
    assert!(errors.iter().all(|error| error.abs() <= 1.51));
}

#[test]
fn many_channels_keep_their_order_and_positions() {
    let folder = Folder::new();
    for channels in [3, 8, 64] {
        let original = sound(channels, 3_000, 48_000);
        let mut extensible = format(0xFFFE, channels as u16, 48_000, 32)[8..].to_vec();
        extensible.extend([22, 0, 32, 0, 0x37, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xAA, 0, 0x38, 0x9B, 0x71]);
        let bytes = riff(&[chunk(b"fmt ", &extensible), chunk(b"data", &samples(&original, 32))]);
        let input = folder.write("in.wav", &bytes);
        done(&render!(input, "-o", folder.at("out.wav"), "--set", "amount=0", "--overwrite", "-q"));
        close(&read(&folder.at("out.wav")).2, &original, 2e-6);
        let list = chunks(&fs::read(folder.at("out.wav")).unwrap());
        assert_eq!(list[0].1, extensible);
    }
    let input = folder.write("in.wav", &wav(&sound(9, 100, 48_000), 48_000, 16));
    refused(&render!(input, "-o", folder.at("out.flac")), 1, &["out.flac", "9 channels", "wav"]);
}

#[test]
fn flac_and_wav_hold_the_same() {
    let folder = Folder::new();
    for (bits, channels, frames, rate) in [(16_u16, 1, 30_001, 44_100), (24, 2, 9_999, 96_000), (24, 6, 4_096, 48_000), (16, 2, 1, 48_000)]
    {
        let input = folder.write("in.wav", &wav(&sound(channels, frames, rate), rate, bits));
        let (there, back) = (folder.at("there.flac"), folder.at("back.wav"));
        done(&render!(input, "-o", there, "--set", "bypass=on", "--overwrite", "-q"));
        assert_eq!(&fs::read(&there).unwrap()[..4], b"fLaC");
        done(&render!(there, "-o", back, "--set", "bypass=on", "--overwrite", "-q"));
        let (got_rate, got_bits, got) = read(&back);
        assert_eq!((got_rate, got_bits), (rate, bits));
        close(&got, &read(&input).2, 0.0);
    }
}

#[test]
fn flac_holds_no_empty_sound() {
    let folder = Folder::new();
    let input = folder.write("in.wav", &wav(&sound(1, 0, 48_000), 48_000, 16));
    refused(&render!(input, "-o", folder.at("out.flac")), 1, &["no samples", "WAV"]);
    assert_eq!(folder.files(), ["in.wav"]);
}

/// The fixtures hold 0.5 s of a sine that rises from 200 to 1200 Hz, and their encoders' delays.
#[test]
fn compressed_files_are_decoded_in_place() {
    let folder = Folder::new();
    let chirp = |n: usize| {
        let t = n as f64 / 48_000.0;
        0.5 * (std::f64::consts::TAU * (200.0 * t + 1000.0 * t * t)).sin()
    };
    for name in ["chirp.mp3", "chirp.ogg", "chirp.opus", "chirp.m4a"] {
        let out = folder.at(&format!("{name}.wav"));
        done(&render!(fixture(name), "-o", out, "--set", "bypass=on", "-q"));
        let (rate, bits, got) = read(&out);
        assert_eq!((rate, bits, got.len(), got[0].len()), (48_000, 24, 1, 24_000), "{name}");
        let (mut error, mut power) = (0.0, 0.0);
        // The ends hold the encoders' own transients.
        for (n, sample) in got[0].iter().enumerate().take(23_500).skip(500) {
            error += (f64::from(*sample) - chirp(n)).powi(2);
            power += chirp(n).powi(2);
        }
        let ratio = 10.0 * (power / error).log10();
        assert!(ratio > 25.0, "{name}: {ratio} dB");
    }
}

#[test]
fn other_encodings_and_containers_are_read() {
    let folder = Folder::new();
    let original = sound(2, 2_000, 48_000);
    let expected: Vec<Vec<f32>> =
        original.iter().map(|channel| channel.iter().map(|x| (x * 32_768.0).round() / 32_768.0).collect()).collect();
    let big: Vec<u8> = samples(&original, 16).chunks(2).flat_map(|pair| [pair[1], pair[0]]).collect();
    // AIFF: COMM with an 80-bit float for 48000 Hz, and SSND.
    let big_chunk = |id: &[u8], body: &[u8]| [id, &(body.len() as u32).to_be_bytes(), body].concat();
    let common =
        [&2_u16.to_be_bytes()[..], &2_000_u32.to_be_bytes(), &16_u16.to_be_bytes(), &[0x40, 0x0E, 0xBB, 0x80, 0, 0, 0, 0, 0, 0]].concat();
    let body = [&b"AIFF"[..], &big_chunk(b"COMM", &common), &big_chunk(b"SSND", &[&[0; 8][..], &big].concat())].concat();
    let aiff = folder.write("a.aiff", &big_chunk(b"FORM", &body));
    // CAF: desc with flags 0 (big-endian integers), and data behind an edit count.
    let long = |id: &[u8], body: &[u8]| [id, &(body.len() as u64).to_be_bytes(), body].concat();
    let mut desc = [&48_000_f64.to_be_bytes()[..], b"lpcm"].concat();
    [0_u32, 4, 1, 2, 16].iter().for_each(|field| desc.extend(field.to_be_bytes()));
    let caf = [&b"caff\0\x01\0\0"[..], &long(b"desc", &desc), &long(b"data", &[&[0; 4][..], &big].concat())].concat();
    let caf = folder.write("a.caf", &caf);
    // RF64 with its sizes in ds64.
    let data = samples(&original, 16);
    let sizes = [&0_u64.to_le_bytes()[..], &(data.len() as u64).to_le_bytes(), &2_000_u64.to_le_bytes(), &[0; 4]].concat();
    let rf64 =
        [&b"RF64\xff\xff\xff\xffWAVE"[..], &chunk(b"ds64", &sizes), &format(1, 2, 48_000, 16), b"data\xff\xff\xff\xff", &data].concat();
    let rf64 = folder.write("rf64.wav", &rf64);
    // As programs write to a pipe: all sizes unknown.
    let pipe = [&b"RIFF\xff\xff\xff\xffWAVE"[..], &format(1, 2, 48_000, 16), b"data\xff\xff\xff\xff", &data].concat();
    let pipe = folder.write("pipe.wav", &pipe);
    for input in [aiff, caf, rf64, pipe] {
        let out = folder.at("out.wav");
        done(&render!(input, "-o", out, "--set", "bypass=on", "--overwrite", "-q"));
        let (rate, bits, got) = read(&out);
        assert_eq!((rate, bits), (48_000, 16), "{}", input.display());
        close(&got, &expected, 0.0);
    }
    // 8-bit, 32-bit and 64-bit samples.
    let eight: Vec<u8> = original[0].iter().map(|x| (x * 127.0 + 128.0) as u8).collect();
    let thirty_two: Vec<u8> = original[0].iter().flat_map(|x| ((f64::from(*x) * 2_147_483_648.0) as i32).to_le_bytes()).collect();
    let sixty_four: Vec<u8> = original[0].iter().flat_map(|x| f64::from(*x).to_le_bytes()).collect();
    for (tag, bits, data, out_bits, most) in [(1, 8, eight, 16, 0.02), (1, 32, thirty_two, 32, 1e-6), (3, 64, sixty_four, 32, 0.0)] {
        let input = folder.write("in.wav", &riff(&[format(tag, 1, 48_000, bits), chunk(b"data", &data)]));
        done(&render!(input, "-o", folder.at("out.wav"), "--set", "bypass=on", "--overwrite", "-q"));
        let (_, got_bits, got) = read(&folder.at("out.wav"));
        assert_eq!(got_bits, out_bits);
        close(&got, &original[..1], most);
    }
}

#[test]
fn contents_count_and_not_names() {
    let folder = Folder::new();
    let input = folder.write("in.wav", &wav(&sound(1, 5_000, 48_000), 48_000, 16));
    done(&render!(input, "-o", folder.at("a.flac"), "--set", "bypass=on", "-q"));
    fs::rename(folder.at("a.flac"), folder.at("flac-in-disguise.wav")).unwrap();
    done(&render!(folder.at("flac-in-disguise.wav"), "-o", folder.at("out.wav"), "--set", "bypass=on", "-q"));
    close(&read(&folder.at("out.wav")).2, &read(&input).2, 0.0);
}

#[test]
fn loud_output_is_limited_with_a_warning() {
    let folder = Folder::new();
    let input = folder.write("in.wav", &wav(&[vec![0.9; 4_000]], 48_000, 16));
    let output = render!(input, "-o", folder.at("out.wav"), "--set", "amount=0", "--set", "output=6");
    assert_eq!(output.status.code(), Some(0));
    let warning = text(&output.stderr);
    assert!(warning.starts_with("warning: ") && warning.contains("full scale") && warning.lines().count() == 1, "{warning}");
    assert!(read(&folder.at("out.wav")).2[0].iter().all(|x| *x <= 1.0));
}

// ---- chunks and tags ----

#[test]
fn chunks_are_kept_byte_for_byte() {
    let folder = Folder::new();
    let data = samples(&sound(1, 3_001, 48_000), 24);
    let info = [&b"INFO"[..], &chunk(b"INAM", b"A title\0"), &chunk(b"IART", b"Somebody\0")].concat();
    let before = [
        chunk(b"bext", &(0..=255).cycle().take(602).collect::<Vec<u8>>()),
        chunk(b"iXML", b"<BWFXML><NOTE>odd length</NOTE></BWFXML>!"),
        chunk(b"LIST", &info),
        chunk(b"zzzz", b"unknown"),
    ];
    let after = [chunk(b"cue ", &[7; 28]), chunk(b"smpl", &[9; 36]), chunk(b"id3 ", b"ID3\x03\0\0\0\0\0\0\0"), chunk(b"LIST", b"adtlnote")];
    let mut all = vec![format(1, 1, 48_000, 24)];
    all.extend(before.iter().cloned());
    all.push(chunk(b"data", &data));
    all.extend(after.iter().cloned());
    let input = folder.write("in.wav", &riff(&all));
    done(&render!(input, "-o", folder.at("out.wav"), "-q"));
    let list = chunks(&fs::read(folder.at("out.wav")).unwrap());
    let parsed = chunks(&riff(&all));
    let ids = |list: &[([u8; 4], Vec<u8>)]| list.iter().map(|(id, _)| text(id)).collect::<Vec<_>>();
    assert_eq!(ids(&list), ids(&parsed));
    for (got, original) in list.iter().zip(&parsed).filter(|(got, _)| &got.0 != b"data") {
        assert_eq!(got, original);
    }
    // To FLAC and back the texts stay.
    done(&render!(input, "-o", folder.at("out.flac"), "-q"));
    let bytes = fs::read(folder.at("out.flac")).unwrap();
    let holds = |bytes: &[u8], part: &[u8]| bytes.windows(part.len()).any(|window| window == part);
    assert!(holds(&bytes, b"TITLE=A title") && holds(&bytes, b"ARTIST=Somebody"));
    done(&render!(folder.at("out.flac"), "-o", folder.at("again.flac"), "-q"));
    assert!(holds(&fs::read(folder.at("again.flac")).unwrap(), b"TITLE=A title"));
    done(&render!(folder.at("out.flac"), "-o", folder.at("back.wav"), "-q"));
    let list = chunks(&fs::read(folder.at("back.wav")).unwrap());
    assert!(list.iter().any(|(id, body)| id == b"LIST" && *body == info), "{:?}", ids(&list));
}

// ---- what goes wrong ----

#[test]
fn bad_files_get_one_line_each_and_leave_nothing() {
    let folder = Folder::new();
    let good = wav(&sound(1, 1_000, 48_000), 48_000, 16);
    let header = |channels: u16, declared: u32| {
        [&b"RIFF\x24\x04\0\0WAVE"[..], &format(1, channels, 48_000, 16), b"data", &declared.to_le_bytes(), &[0; 980]].concat()
    };
    let mut infinite = sound(2, 500, 48_000);
    infinite[1][77] = f32::INFINITY;
    let mut flac_cut = {
        let input = folder.write("for-flac.wav", &wav(&sound(1, 40_000, 48_000), 48_000, 16));
        done(&render!(input, "-o", folder.at("for.flac"), "-q"));
        fs::read(folder.at("for.flac")).unwrap()
    };
    fs::remove_file(folder.at("for-flac.wav")).unwrap();
    fs::remove_file(folder.at("for.flac")).unwrap();
    flac_cut.truncate(flac_cut.len() / 2);
    let mut slow = good.clone();
    slow[24..28].copy_from_slice(&500_u32.to_le_bytes());
    let cases: Vec<(&str, Vec<u8>, &[&str])> = vec![
        ("empty.wav", Vec::new(), &["empty"]),
        ("text.wav", b"This is a letter, not a sound.".to_vec(), &["not sound", "convert it to WAV"]),
        ("zeros.mp3", vec![0; 5_000], &["not sound"]),
        ("cut.wav", good[..good.len() - 300].to_vec(), &["cut short", "--allow-truncated"]),
        ("cut.flac", flac_cut, &["--allow-truncated"]),
        ("head.wav", good[..20].to_vec(), &["whole copy"]),
        ("riff.wav", good[..12].to_vec(), &["whole copy"]),
        ("no-data.wav", riff(&[format(1, 1, 48_000, 16)]), &["without sound"]),
        ("no-format.wav", riff(&[chunk(b"data", &[0; 8])]), &["without a format"]),
        ("no-channels.wav", riff(&[format(1, 0, 48_000, 16), chunk(b"data", &[0; 8])]), &["no channels"]),
        ("four-gigabytes.wav", header(1, 0xFFFF_FFF0), &["cut short", "4294967280", "--allow-truncated"]),
        ("crowd.wav", header(65_535, 980), &["65535 channels", "64"]),
        ("slow.wav", slow, &["500 Hz", "1000"]),
        ("infinite.wav", wav(&infinite, 48_000, 32), &["sample 77 of channel 2", "--silence-nan"]),
        ("nan.wav", wav(&[vec![0.0, f32::NAN]], 48_000, 32), &["sample 1 of channel 1", "--silence-nan"]),
        ("odd-bits.wav", riff(&[format(3, 1, 48_000, 24), chunk(b"data", &[0; 9])]), &["24 bits", "convert"]),
        ("cut.ogg", fs::read(fixture("chirp.ogg")).unwrap()[..40].to_vec(), &["cut.ogg"]),
        ("cut.m4a", fs::read(fixture("chirp.m4a")).unwrap()[..200].to_vec(), &["cut.m4a"]),
        ("cut.mp3", fs::read(fixture("chirp.mp3")).unwrap()[..8].to_vec(), &["cut.mp3"]),
    ];
    for (name, bytes, parts) in &cases {
        let input = folder.write(name, bytes);
        let output = render!(input, "-o", folder.at("new/out.wav"));
        refused(&output, 1, parts);
        assert!(text(&output.stderr).contains(name));
        assert!(!folder.at("new").exists(), "{name} left a folder");
        fs::remove_file(input).unwrap();
        assert_eq!(folder.files(), Vec::<String>::new(), "{name} left files");
    }
    refused(&render!(folder.at("missing.wav"), "-o", folder.at("out.wav")), 1, &["missing.wav", "no such file"]);
}

#[test]
fn cut_files_and_odd_samples_are_taken_when_asked() {
    let folder = Folder::new();
    let original = sound(1, 1_000, 48_000);
    let bytes = wav(&original, 48_000, 16);
    let input = folder.write("cut.wav", &bytes[..bytes.len() - 301]);
    let output = render!(input, "-o", folder.at("out.wav"), "--allow-truncated");
    assert_eq!(output.status.code(), Some(0));
    assert!(text(&output.stderr).starts_with("warning: "), "{}", text(&output.stderr));
    assert_eq!(read(&folder.at("out.wav")).2[0].len(), 849);
    let mut broken = original;
    broken[0][5] = f32::NAN;
    let input = folder.write("nan.wav", &wav(&broken, 48_000, 32));
    let output = render!(input, "-o", folder.at("out2.wav"), "--silence-nan");
    assert_eq!(output.status.code(), Some(0));
    assert!(text(&output.stderr).contains("1 samples that are no numbers"), "{}", text(&output.stderr));
}

#[test]
fn outputs_are_protected() {
    let folder = Folder::new();
    let bytes = wav(&sound(1, 1_000, 48_000), 48_000, 16);
    let input = folder.write("in.wav", &bytes);
    let existing = folder.write("out.wav", b"precious");
    refused(&render!(input, "-o", existing), 1, &["out.wav", "exists", "--overwrite"]);
    assert_eq!(fs::read(&existing).unwrap(), b"precious");
    done(&render!(input, "-o", existing, "--overwrite", "-q"));
    // Input and output at once: by the same path, through "..", a link, a hard link.
    fs::create_dir(folder.at("sub")).unwrap();
    fs::hard_link(&input, folder.at("hard.wav")).unwrap();
    let mut others = vec![input.clone(), folder.at("sub/../in.wav"), folder.at("hard.wav")];
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(&input, folder.at("link.wav")).unwrap();
        others.push(folder.at("link.wav"));
    }
    for other in others {
        refused(&render!(input, "-o", other, "--overwrite"), 1, &["input and output at once"]);
    }
    refused(&render!(input, "-o", folder.at("x.wav"), "--report", input, "--overwrite"), 2, &["already"]);
    assert_eq!(fs::read(&input).unwrap(), bytes);
    // A folder as input whose outputs would fall on another input.
    refused(
        &render!(folder.at("in.wav"), folder.at("out.wav"), "-o", folder.at("sub"), "--format", "flac", "--report", existing),
        2,
        &["already"],
    );
    // A file where a folder should be.
    refused(&render!(input, "-o", folder.at("in.wav/out.wav")), 1, &["out.wav", "no folder"]);
}

#[cfg(unix)]
#[test]
fn folders_and_files_without_permission_are_told() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new();
    let input = folder.write("in.wav", &wav(&sound(1, 1_000, 48_000), 48_000, 16));
    fs::create_dir(folder.at("locked")).unwrap();
    let secret = folder.write("secret.wav", b"x");
    fs::set_permissions(folder.at("locked"), fs::Permissions::from_mode(0o555)).unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o000)).unwrap();
    // The superuser may do everything, so the program runs as nobody, from a place where that one may look.
    let program = folder.at("program");
    fs::copy(PROGRAM, &program).unwrap();
    let run = |words: &[&Path]| {
        let mut command = Command::new(&program);
        command.args(["render", "denoise"]).args(words).current_dir("/");
        if fs::read(&secret).is_ok() {
            std::os::unix::process::CommandExt::uid(&mut command, 65_534);
        }
        command.output().unwrap()
    };
    refused(&run(&[&input, Path::new("-o"), &folder.at("locked/out.wav")]), 1, &["locked/out.wav", "may not be written"]);
    refused(&run(&[&input, Path::new("-o"), &folder.at("locked/new/out.wav")]), 1, &["may not be written"]);
    refused(&run(&[&secret, Path::new("-o"), &folder.at("out.wav")]), 1, &["secret.wav", "may not be read"]);
    assert_eq!(fs::read_dir(folder.at("locked")).unwrap().count(), 0);
}

/// A limit on the size of files stands for a full disk: the same write fails half-way.
#[cfg(unix)]
#[test]
fn a_full_disk_is_told_and_leaves_nothing() {
    let folder = Folder::new();
    let input = folder.write("in.wav", &wav(&sound(1, 400_000, 48_000), 48_000, 16));
    for out in ["out.wav", "out.flac"] {
        let script = "trap '' XFSZ; ulimit -f 100; exec \"$0\" render denoise \"$1\" -o \"$2\"";
        let output = Command::new("bash").args(["-c", script, PROGRAM]).arg(&input).arg(folder.at(out)).output().unwrap();
        refused(&output, 1, &[out, "does not fit", "make room"]);
        assert_eq!(folder.files(), ["in.wav"]);
    }
}

#[test]
fn a_senseless_command_line_has_status_2() {
    let folder = Folder::new();
    let input = folder.write("in.wav", &wav(&sound(1, 100, 48_000), 48_000, 16));
    let out = folder.at("out.wav");
    refused(&render!(input, "-o", out, "--set", "amont=3"), 2, &["amont", "amount, limit"]);
    refused(&render!(input, "-o", out, "--set", "amount=300"), 2, &["300", "0 to 100 %"]);
    refused(&render!(input, "-o", out, "--set", "amount"), 2, &["ID=VALUE"]);
    refused(&render!(input, "-o", out, "--listen", "both"), 2, &["cleaned | removed"]);
    refused(&render!(input, "-o", out, "--preset", "Nonesuch"), 2, &["Nonesuch", "\"Podcast\""]);
    refused(&render!(input, "-o", folder.at("out.xyz")), 2, &["out.xyz", ".mp3 or .opus"]);
    refused(&render!(input, "-o", out, "--format", "flac"), 2, &["--format"]);
    refused(&render!(input, "-o", folder.at("out.flac"), "--bits", "32f"), 2, &["FLAC"]);
    refused(&render!(input, "-o", out, "--picture", folder.at("p.jpg")), 2, &["p.jpg", ".png"]);
    refused(&render!(input, input, folder.at("b.wav"), "-o", out), 2, &["folder"]);
    refused(&render!(folder.at("*.flac"), "-o", folder.at("x")), 2, &["*.flac", "matches no file"]);
    fs::create_dir(folder.at("void")).unwrap();
    refused(&render!(folder.at("void"), "-o", folder.at("x")), 2, &["void", "no sound files"]);
    for words in [&["render"][..], &["render", "nonsense"], &["render", "denoise"], &["render", "denoise", "a.wav"]] {
        assert_eq!(Command::new(PROGRAM).args(words).output().unwrap().status.code(), Some(2), "{words:?}");
    }
    assert_eq!(folder.files(), ["in.wav"]);
}

// ---- parameters ----

#[test]
fn parameters_and_presets_are_listed_and_taken() {
    let list = Command::new(PROGRAM).args(["render", "denoise", "--list-params"]).output().unwrap();
    done(&list);
    let help = Command::new(PROGRAM).args(["render", "denoise", "--help"]).output().unwrap();
    for text in [text(&list.stdout), text(&help.stdout)] {
        for part in ["amount", "0 to 60 dB or no limit", "linked | per-channel", "Podcast"] {
            assert!(text.contains(part), "{part}");
        }
    }
    assert!(text(&help.stdout).contains("Exit status"));
    let folder = Folder::new();
    let input = folder.write("in.wav", &wav(&sound(1, 100, 48_000), 48_000, 16));
    let preset = folder.write("mine.json", br#"{"plainsong":1,"engine":"denoise","name":"x","values":{"limit":"12 dB","high":40}}"#);
    let bad = folder.write("bad.json", br#"{"plainsong":1,"engine":"master","values":{}}"#);
    refused(&render!(input, "-o", folder.at("out.wav"), "--preset", bad), 2, &["bad.json", "master"]);
    let settings = |words: &[&str]| {
        let mut command = Command::new(PROGRAM);
        command.args(["render", "denoise", "-q", "--overwrite", "-o"]).arg(folder.at("out.wav")).arg(&input);
        done(&command.args(words).arg("--report").arg(folder.at("r.json")).output().unwrap());
        let report: serde_json::Value = serde_json::from_slice(&fs::read(folder.at("r.json")).unwrap()).unwrap();
        report["settings"].clone()
    };
    let mine = settings(&["--preset", preset.to_str().unwrap(), "--set", "high=50 %", "--listen", "removed"]);
    assert_eq!((mine["limit"].as_str(), mine["high"].as_str(), mine["listen"].as_str()), (Some("12"), Some("50"), Some("removed")));
    assert_eq!(settings(&["--preset", "podcast"])["release"].as_str(), Some("30"));
}

// ---- batches, report, picture ----

#[test]
fn a_batch_mirrors_the_tree_and_survives_a_bad_file() {
    let folder = Folder::new();
    let bytes = wav(&sound(1, 2_000, 48_000), 48_000, 16);
    for name in ["in/a.wav", "in/deep/b.wav", "in/deep/er/c.WAV"] {
        folder.write(name, &bytes);
    }
    folder.write("in/deep/bad.wav", b"RIFFxxxxWAVE");
    folder.write("in/notes.txt", b"not sound");
    folder.write("in/._a.wav", b"hidden");
    let report = folder.at("report.json");
    let output =
        render!(folder.at("in"), "-o", folder.at("out"), "--format", "flac", "--report", report, "--picture", folder.at("pictures"));
    refused(&output, 1, &["bad.wav"]);
    assert!(text(&output.stdout).ends_with("3 of 4 files done\n"), "{}", text(&output.stdout));
    let written: Vec<_> = folder.files().into_iter().filter(|name| !name.starts_with("in/")).collect();
    let expected = [
        "out/a.flac",
        "out/deep/b.flac",
        "out/deep/er/c.flac",
        "pictures/a.png",
        "pictures/deep/b.png",
        "pictures/deep/er/c.png",
        "report.json",
    ];
    assert_eq!(written, expected);
    let report: serde_json::Value = serde_json::from_slice(&fs::read(report).unwrap()).unwrap();
    assert_eq!(report.as_array().unwrap().len(), 4);
    assert_eq!(report.as_array().unwrap().iter().filter(|entry| entry["error"].is_string()).count(), 1);
    // By pattern; the part before the first star is left out below the output.
    done(&render!(folder.at("in/**/[bc].*"), "-o", folder.at("out2"), "-q"));
    assert!(folder.at("out2/deep/b.wav").is_file() && folder.at("out2/deep/er/c.wav").is_file() && !folder.at("out2/a.wav").exists());
    // Two inputs with one output.
    folder.write("in/a.flac", &fs::read(folder.at("out/a.flac")).unwrap());
    refused(&render!(folder.at("in/a.wav"), folder.at("in/a.flac"), "-o", folder.at("out3"), "-q"), 1, &["a.flac", "rename one"]);
    // Into the folder itself nothing may fall on its inputs.
    let output = render!(folder.at("in/a.wav"), folder.at("in/deep"), "-o", folder.at("in"), "--overwrite", "-q");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(fs::read(folder.at("in/a.wav")).unwrap(), bytes);
}

#[test]
fn the_number_of_jobs_changes_nothing() {
    let folder = Folder::new();
    for n in 0..5_usize {
        let rate = [48_000, 44_100][n % 2];
        folder.write(&format!("in/{n}.wav"), &wav(&sound(1 + n % 2, 9_000 + 1_000 * n, rate), rate, 16));
    }
    done(&render!(folder.at("in"), "-o", folder.at("one"), "--jobs", "1", "-q"));
    done(&render!(folder.at("in"), "-o", folder.at("two"), "--jobs", "2", "-q"));
    for n in 0..5 {
        let name = format!("{n}.wav");
        assert!(fs::read(folder.at("one").join(&name)).unwrap() == fs::read(folder.at("two").join(&name)).unwrap(), "{name}");
    }
}

#[test]
fn the_report_tells_what_was_done() {
    let folder = Folder::new();
    let input = folder.write("in.wav", &wav(&sound(2, 96_000, 48_000), 48_000, 16));
    done(&render!(input, "-o", folder.at("out.wav"), "--report", folder.at("r.json"), "-q"));
    let report: serde_json::Value = serde_json::from_slice(&fs::read(folder.at("r.json")).unwrap()).unwrap();
    assert_eq!(report["engine"], "denoise");
    assert_eq!(report["plainsong"], env!("CARGO_PKG_VERSION"));
    assert_eq!(report["models"][0]["id"], "denoise");
    assert_eq!(report["models"][0]["sha256"].as_str().map(str::len), Some(64));
    assert_eq!(report["format"]["rate_hz"], 48_000);
    assert_eq!(report["format"]["channels"], 2);
    assert_eq!(report["format"]["samples"], 96_000);
    assert_eq!(report["format"]["seconds"], 2.0);
    assert_eq!(report["format"]["bits_after"], "16");
    assert_eq!(report["settings"]["amount"], "100");
    for side in ["before", "after"] {
        for value in ["rms_dbfs", "peak_dbfs", "loudness_lufs"] {
            assert!(report[side][value].is_number(), "{side} {value}");
        }
    }
    let bands = report["bands"].as_array().unwrap();
    assert_eq!(bands.len(), 11);
    assert_eq!(bands[10]["to_hz"], 24_000.0);
    assert!(bands.iter().all(|band| band["removed_db"].is_number() && band["from_hz"].is_number()));
    assert!(report["real_time_factor"].as_f64().unwrap() > 0.0);
    // Existing reports are kept, too.
    refused(&render!(input, "-o", folder.at("b.wav"), "--report", folder.at("r.json")), 2, &["r.json", "--overwrite"]);
    // Silence and nothing have no levels, and still a report.
    for frames in [0, 1_000] {
        let input = folder.write("silence.wav", &wav(&[vec![0.0; frames]], 48_000, 16));
        done(&render!(
            input,
            "-o",
            folder.at("s.wav"),
            "--report",
            folder.at("s.json"),
            "--picture",
            folder.at("s.png"),
            "--overwrite",
            "-q"
        ));
        let report: serde_json::Value = serde_json::from_slice(&fs::read(folder.at("s.json")).unwrap()).unwrap();
        assert!(report["before"]["rms_dbfs"].is_null());
    }
}

#[test]
fn the_picture_has_its_size_and_colours() {
    let folder = Folder::new();
    for (rate, channels, frames) in [(48_000, 1, 30_000), (16_000, 2, 500), (192_000, 1, 40_000)] {
        let input = folder.write("in.wav", &wav(&sound(channels, frames, rate), rate, 16));
        done(&render!(input, "-o", folder.at("out.wav"), "--picture", folder.at("p.png"), "--overwrite", "-q"));
        let decoder = png::Decoder::new(std::io::BufReader::new(fs::File::open(folder.at("p.png")).unwrap()));
        let mut reader = decoder.read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        assert_eq!((info.width, info.height), (1600, 1200));
        let colours: std::collections::HashSet<_> = pixels.chunks(3).map(<[u8]>::to_vec).collect();
        assert!(colours.len() > 200, "{}", colours.len());
    }
}

/// `render deess` over a sound, with its report.
fn deess(folder: &Folder, sound: &[Vec<f32>], rate: u32, words: &[&str]) -> (Output, serde_json::Value) {
    let input = folder.write("in.wav", &wav(sound, rate, 32));
    let mut command = Command::new(PROGRAM);
    command.args(["render", "deess", "-q", "--overwrite", "-o"]).arg(folder.at("out.wav")).arg(&input);
    command.arg("--report").arg(folder.at("r.json")).arg("--picture").arg(folder.at("p.png")).args(words);
    let output = command.output().unwrap();
    let report = serde_json::from_slice(&fs::read(folder.at("r.json")).unwrap()).unwrap();
    (output, report)
}

#[test]
fn the_de_essers_report_lists_sounds_in_order_and_its_picture_has_lanes() {
    let folder = Folder::new();
    let mut noise = noise(3);
    // A vowel's harmonics with a hiss every half second.
    let sound: Vec<f32> = (0..4 * 48_000)
        .map(|n| {
            let t = n as f32 / 48_000.0;
            let vowel: f32 = (1..12).map(|k| (t * 130.0 * k as f32 * std::f32::consts::TAU).sin() / (k * k) as f32).sum();
            if t % 0.5 < 0.12 { 0.25 * (noise() - noise()) } else { 0.2 * vowel }
        })
        .collect();
    let (output, report) = deess(&folder, std::slice::from_ref(&sound), 48_000, &[]);
    done(&output);
    assert_eq!((&report["engine"], &report["models"][0]["id"]), (&"deess".into(), &"deess".into()));
    let mut last = 0.0;
    for event in report["events"].as_array().unwrap() {
        let at = |key: &str| event[key].as_f64().unwrap_or_else(|| panic!("{key} in {event}"));
        assert!(at("start_seconds") >= last && at("end_seconds") > at("start_seconds") && at("end_seconds") <= 4.0, "{event}");
        assert!(at("largest_reduction_db") >= at("mean_reduction_db") && at("mean_reduction_db") >= 0.0, "{event}");
        assert!(["s", "sh", "f", "breath", "plosive"].contains(&event["class"].as_str().unwrap()), "{event}");
        assert!(event["class"] != "plosive" || at("largest_reduction_db") < 0.01, "a burst is never touched: {event}");
        last = at("end_seconds");
    }
    let counted: u64 = report["sounds"].as_object().unwrap().values().map(|class| class["count"].as_u64().unwrap()).sum();
    assert_eq!(counted as usize, report["events"].as_array().unwrap().len());
    let decoder = png::Decoder::new(std::io::BufReader::new(fs::File::open(folder.at("p.png")).unwrap()));
    let size = decoder.read_info().unwrap().info().size();
    assert_eq!(size, (1600, 1340));
    // What is removed and what stays add up.
    let (_, _, kept) = read(&folder.at("out.wav"));
    done(&deess(&folder, std::slice::from_ref(&sound), 48_000, &["--listen", "removed"]).0);
    let (_, _, removed) = read(&folder.at("out.wav"));
    let sum: Vec<f32> = kept[0].iter().zip(&removed[0]).map(|(a, b)| a + b).collect();
    close(&[sum], &[sound], 1e-6);
}

#[test]
fn a_rate_without_a_band_for_sibilants_is_told_and_the_sound_kept() {
    let folder = Folder::new();
    let sound = sound(2, 16_000, 8_000);
    let input = folder.write("in.wav", &wav(&sound, 8_000, 16));
    let run = Command::new(PROGRAM).args(["render", "deess", "-o"]).arg(folder.at("out.wav")).arg(&input).output().unwrap();
    assert_eq!(run.status.code(), Some(0));
    assert!(text(&run.stderr).contains("12 kHz"), "{}", text(&run.stderr));
    assert_eq!(read(&folder.at("out.wav")), read(&input));
    let (output, report) = deess(&folder, &sound, 8_000, &[]);
    done(&output);
    assert!(report["warnings"][0].as_str().unwrap().contains("12 kHz"));
    assert_eq!(report["events"].as_array().map(Vec::len), Some(0));
}

/// Ten minutes and one minute need the same memory, report and picture included.
#[cfg(target_os = "linux")]
#[test]
fn memory_does_not_grow_with_the_length() {
    let folder = Folder::new();
    let most = |seconds: usize| {
        let path = folder.at("long.wav");
        let rate = 16_000;
        let mut file = std::io::BufWriter::new(fs::File::create(&path).unwrap());
        let bytes = (seconds * rate * 2) as u32;
        file.write_all(
            &[&b"RIFF"[..], &(bytes + 36).to_le_bytes(), b"WAVE", &format(1, 1, rate as u32, 16), b"data", &bytes.to_le_bytes()].concat(),
        )
        .unwrap();
        let second = samples(&sound(1, rate, rate as u32), 16);
        (0..seconds).for_each(|_| file.write_all(&second).unwrap());
        drop(file);
        let mut child = Command::new(PROGRAM)
            .args(["render", "denoise", "-q", "--overwrite", "--set", "bypass=on", "-o"])
            .args([&folder.at("out.wav"), &path])
            .arg("--report")
            .arg(folder.at("r.json"))
            .arg("--picture")
            .arg(folder.at("p.png"))
            .spawn()
            .unwrap();
        let mut peak = 0;
        loop {
            let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
            let kib = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
            peak = peak.max(kib.unwrap_or(0));
            if let Some(status) = child.try_wait().unwrap() {
                assert!(status.success());
                return peak;
            }
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
    };
    let (short, long) = (most(60), most(600));
    assert!(short > 1_000 && long < 200 * 1024, "{short} KiB, {long} KiB");
    assert!(long < short + 16 * 1024, "{short} KiB became {long} KiB");
}

/// Stopped in the middle, nothing is left.
#[cfg(unix)]
#[test]
fn an_interrupt_leaves_nothing() {
    let folder = Folder::new();
    let input = folder.write("in.wav", &wav(&sound(1, 48_000 * 120, 48_000), 48_000, 16));
    let mut child = Command::new(PROGRAM).args(["render", "denoise", "-q", "-o"]).args([&folder.at("out.wav"), &input]).spawn().unwrap();
    let begun = std::time::Instant::now();
    while folder.files().len() < 2 {
        assert!(begun.elapsed().as_secs() < 30 && child.try_wait().unwrap().is_none(), "it did not begin");
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(folder.files(), ["in.wav"]);
}
