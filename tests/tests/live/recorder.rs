//! Recordings: what is in them, and what a crash leaves of them.

use dsp_core::params;
use dsp_core::processor::{Format, Observer};
use dsp_core::units::Hz;
use plainsong_live::engines;
use plainsong_live::line::{Hatch, Line, Plan};
use plainsong_live::port;
use plainsong_live::recorder::{Failure, Recorder, raw_path};
use plainsong_live::status::{Status, Values};
use plainsong_tests::audio;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

const RATE: u32 = 48_000;
/// Where the child of the crash test shall record.
const CHILD: &str = "PLAINSONG_RECORD_AND_HANG";

fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("plainsong-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    folder
}

/// Reads as much as a decoder gives.
fn read(path: &Path) -> (Vec<Vec<f32>>, u32) {
    use symphonia::core::codecs::audio::AudioDecoderOptions;
    use symphonia::core::formats::{FormatOptions, TrackType, probe::Hint};
    use symphonia::core::io::MediaSourceStream;
    let stream = MediaSourceStream::new(Box::new(std::fs::File::open(path).expect("a file")), Default::default());
    let mut format =
        symphonia::default::get_probe().probe(&Hint::new(), stream, FormatOptions::default(), Default::default()).expect("a FLAC file");
    let parameters = format.default_track(TrackType::Audio).expect("a track").codec_params.clone().expect("parameters");
    let parameters = parameters.audio().expect("sound");
    let rate = parameters.sample_rate.expect("a rate");
    let mut decoder = symphonia::default::get_codecs().make_audio_decoder(parameters, &AudioDecoderOptions::default()).expect("a decoder");
    let mut channels: Vec<Vec<f32>> = Vec::new();
    while let Ok(Some(packet)) = format.next_packet() {
        let Ok(block) = decoder.decode(&packet) else { break };
        let mut planes: Vec<Vec<f32>> = Vec::new();
        block.copy_to_vecs_planar(&mut planes);
        channels.resize(planes.len(), Vec::new());
        for (channel, plane) in channels.iter_mut().zip(planes) {
            channel.extend(plane);
        }
    }
    (channels, rate)
}

fn quantised(samples: &[f32]) -> Vec<f32> {
    samples.iter().map(|sample| ((f64::from(*sample) * 8_388_608.0).round() / 8_388_608.0) as f32).collect()
}

/// The raw file is the input, and the processed one what the engine makes of it, side by side.
#[test]
fn both_files_lie_side_by_side_and_a_render_is_the_same() {
    let folder = folder("recorder");
    let path = folder.join("talk.flac");
    // An engine without a model: on a busy machine a model may be late, and then a frame passes as it is.
    let entry = engines::find("limiter").expect("an engine");
    let mut values = params::defaults(entry.params);
    values[params::index_of(entry.params, "drive").expect("a drive")] = 12.0;
    let format = Format::new(Hz(f64::from(RATE)), 1).expect("a format");
    let driver = (entry.make)(format, &values, None).expect("an engine");
    let latency = driver.latency();
    let (recorder, tape) = Recorder::start(&path, false, RATE, 1, latency).expect("a recorder");
    let plan = Plan { channels: 1, rate: f64::from(RATE), safety: 0.0, one_clock: true };
    let (status, hatch) = (Arc::new(Status::default()), Arc::new(Hatch::default()));
    let mut line = Line::new(plan, driver, entry.more, Arc::new(Values::new(&values)), status.clone(), hatch.clone(), Some(tape));
    let (mut capture, input) = port::input(f64::from(RATE), 1, status.captured.clone(), status.input.clone(), None, 0);
    assert!(hatch.inputs.push(Box::new(input)).is_ok());
    let mut sound = audio::speech(f64::from(RATE), 4.0, 8);
    let length = sound.len();
    for (index, block) in sound.chunks(333).enumerate() {
        let time = index as f64 * 333.0 / f64::from(RATE);
        capture.block(block.len(), time, |frame, _| block[frame]);
        line.poll(&|| time);
    }
    line.finish();
    let done = recorder.finish().expect("files");
    assert_eq!(done.each_ref().map(|done| done.frames), [length as u64; 2]);
    let (raw, rate) = read(&raw_path(&path));
    assert_eq!(rate, RATE);
    assert!(raw[0] == quantised(&sound), "the raw file is what came in");
    // The oracle: the engine alone, offline.
    let mut alone = (entry.make)(format, &values, None).expect("an engine");
    sound.resize(length + latency, 0.0);
    struct Nothing;
    impl Observer for Nothing {
        fn frame(&mut self, _: &dsp_core::processor::Frame<'_>) {}
    }
    alone.process(&mut [&mut sound], &mut Nothing);
    assert!(read(&path).0[0] == quantised(&sound[latency..]), "the processed file is a render of the raw one");
    assert!(matches!(Recorder::start(&path, false, RATE, 1, 0), Err(Failure::Exists(_))));
    assert!(matches!(Recorder::start(&folder.join("a.wav"), false, RATE, 1, 0), Err(Failure::Name(_))));
    let nowhere = Recorder::start(&folder.join("no/where.flac"), false, RATE, 1, 0).err().expect("no folder").to_string();
    assert!(nowhere.contains("where.raw.flac") && nowhere.contains("choose a folder"), "{nowhere}");
    let (empty, _tape) = Recorder::start(&path, true, RATE, 2, 0).expect("written over");
    assert_eq!(empty.finish().expect("files")[0].frames, 0);
    std::fs::remove_dir_all(&folder).expect("removed");
}

/// The child of the test below: records a ramp in real time until it is killed.
#[test]
fn child_records() {
    let Some(path) = std::env::var_os(CHILD) else { return };
    let (_recorder, mut tape) = Recorder::start(Path::new(&path), true, RATE, 2, 480).expect("a recorder");
    let start = Instant::now();
    let mut frame = 0_u64;
    loop {
        while frame < (start.elapsed().as_secs_f64() * f64::from(RATE)) as u64 {
            for ring in [&mut tape.raw, &mut tape.processed] {
                for channel in 0..2 {
                    let _ = ring.push(ramp(frame, channel));
                }
            }
            frame += 1;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn ramp(frame: u64, channel: u64) -> f32 {
    ((frame * 3 + channel) % 8_000) as f32 / 8_192.0
}

/// Killed without a chance to finish, both files hold all but the last second.
#[cfg(unix)]
#[test]
fn a_killed_recording_is_readable_up_to_the_last_second() {
    let folder = folder("killed");
    for (round, after) in [1_700_u64, 3_050, 4_333].into_iter().enumerate() {
        let path = folder.join(format!("{round}.flac"));
        let program = std::env::current_exe().expect("this program");
        let mut child = Command::new(program)
            .args(["--exact", "child_records", "--nocapture"])
            .env(CHILD, &path)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("a child");
        // From when the files are there, so that a slow start does not count.
        let patience = Instant::now();
        while !path.exists() && patience.elapsed() < Duration::from_secs(20) {
            std::thread::sleep(Duration::from_millis(5));
        }
        let began = Instant::now();
        std::thread::sleep(Duration::from_millis(after));
        child.kill().expect("killed");
        let ran = began.elapsed().as_secs_f64();
        child.wait().expect("ended");
        for (file, skip) in [(raw_path(&path), 0), (path.clone(), 480)] {
            let (channels, rate) = read(&file);
            assert_eq!((channels.len(), rate), (2, RATE));
            let seconds = channels[0].len() as f64 / f64::from(RATE);
            println!("{}: {seconds:.2} s of {ran:.2} s", file.display());
            assert!(seconds > ran - 1.0 - 0.3, "{}: {seconds} of {ran} s", file.display());
            for (channel, heard) in channels.iter().enumerate() {
                let wanted: Vec<f32> = (0..heard.len() as u64).map(|frame| ramp(frame + skip, channel as u64)).collect();
                assert!(*heard == quantised(&wanted), "what is there is right");
            }
        }
    }
    std::fs::remove_dir_all(&folder).expect("removed");
}
