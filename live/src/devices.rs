//! Sound devices through `cpal`, and what opens them for a [`Keeper`](crate::link::Keeper).

use crate::line::{Hatch, Plugged, Unplugged};
use crate::link::Opener;
use crate::names;
use crate::negotiate::{self, Choice, Offer};
use crate::port::{self, Capture, Counters, Playback};
use crate::priority;
use crate::resample::Converter;
use crate::status::{Link, Status};
use cpal::traits::{DeviceTrait, HostTrait, StreamTrait};
use cpal::{Device, ErrorKind, FromSample, Host, HostId, I24, Sample, SampleFormat, SizedSample, StreamConfig, SupportedBufferSize};
use crossbeam::queue::ArrayQueue;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::Thread;
use std::time::{Duration, Instant};

/// Longest wait for a sound server.
const PATIENCE: Duration = Duration::from_secs(5);
/// Name of our clients in JACK.
const CLIENT: &str = "plainsong";

/// Which way sound flows through a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// A microphone.
    Input,
    /// A loudspeaker, or what other programs take for a microphone.
    Output,
}

impl Side {
    /// For messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Output => "output",
        }
    }
}

/// A system of sound by its name on the command line.
const SYSTEMS: &[(&str, &str)] = &[
    ("pipewire", "PipeWire"),
    ("pulse", "PulseAudio"),
    ("jack", "JACK"),
    ("alsa", "ALSA"),
    ("wasapi", "WASAPI"),
    ("coreaudio", "CoreAudio"),
];

/// The systems in this build.
pub fn systems() -> Vec<&'static str> {
    cpal::ALL_HOSTS.iter().filter_map(|id| key(*id)).collect()
}

fn key(id: HostId) -> Option<&'static str> {
    SYSTEMS.iter().find(|(_, name)| name.eq_ignore_ascii_case(id.name())).map(|(key, _)| *key)
}

/// JACK's devices, made with our name: through `cpal`'s host they would carry its own, and a host made while no
/// server runs writes to the terminal.
type JackDevice = <cpal::platform::JackHost as HostTrait>::Device;

/// What stands behind a system.
enum Behind {
    Host(Host),
    /// Connects to the sound card by itself, or not.
    Jack {
        connect: bool,
    },
}

/// A system of sound that is there.
pub struct System {
    behind: Behind,
    id: HostId,
}

impl System {
    /// The one that is asked for, or the first that is there and has devices. `connect` lets JACK connect to
    /// the sound card by itself.
    ///
    /// # Errors
    /// When it is unknown or not there.
    pub fn open(wanted: Option<&str>, connect: bool) -> Result<Self, String> {
        let known = |name: &str| cpal::ALL_HOSTS.iter().find(|id| key(**id).is_some_and(|key| key.eq_ignore_ascii_case(name)));
        let ids: Vec<HostId> = match wanted {
            None => cpal::ALL_HOSTS.iter().copied().filter(|id| key(*id) != Some("jack") || jack_runs()).collect(),
            Some(name) => {
                vec![
                    *known(name)
                        .ok_or_else(|| format!("there is no system \"{name}\" in this build; there are: {}", systems().join(", ")))?,
                ]
            }
        };
        let mut reasons = Vec::new();
        for id in ids {
            let system = behind(id, connect).map(|behind| Self { behind, id });
            match system.and_then(|system| Ok((system.devices(Side::Input)?.len() + system.devices(Side::Output)?.len(), system))) {
                Ok((devices, system)) if wanted.is_some() || devices > 0 => return Ok(system),
                Ok(_) => reasons.push(format!("{} has no devices", id.name())),
                Err(error) => reasons.push(format!("{}: {error}", id.name())),
            }
        }
        Err(format!("no sound system answers ({}); start one, or name another by --system", reasons.join("; ")))
    }

    /// All that are there.
    pub fn all() -> Vec<Self> {
        systems().into_iter().filter(|name| *name != "jack" || jack_runs()).filter_map(|name| Self::open(Some(name), true).ok()).collect()
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        self.id.name()
    }

    /// Its name on the command line.
    pub fn key(&self) -> &'static str {
        key(self.id).unwrap_or("")
    }

    /// All its ports are driven by one clock.
    pub fn one_clock(&self) -> bool {
        matches!(self.behind, Behind::Jack { .. })
    }

    /// Asks for the same system anew, as it is now.
    ///
    /// # Errors
    /// When it is no longer there.
    pub fn again(&mut self) -> Result<(), String> {
        if let Behind::Host(host) = &mut self.behind {
            *host = cpal::host_from_id(self.id).map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    /// Names and ids of the devices of a side, in the system's order.
    ///
    /// # Errors
    /// What the system says.
    pub fn devices(&self, side: Side) -> Result<Vec<(String, String, Device)>, String> {
        let devices: Vec<Device> = match &self.behind {
            Behind::Jack { .. } => vec![self.default(side)?],
            Behind::Host(host) => {
                let all = host.devices().map_err(|error| format!("{}: {error}", self.name()))?;
                let fits = |device: &Device| match side {
                    Side::Input => device.supports_input(),
                    Side::Output => device.supports_output(),
                };
                all.filter(fits).collect()
            }
        };
        let id = |device: &Device| device.id().map(|id| id.id().to_owned()).unwrap_or_default();
        Ok(devices.into_iter().map(|device| (device.to_string(), id(&device), device)).collect())
    }

    /// The default device of a side.
    ///
    /// # Errors
    /// When there is none.
    pub fn default(&self, side: Side) -> Result<Device, String> {
        match &self.behind {
            Behind::Jack { connect } => {
                let made = match side {
                    Side::Input => JackDevice::default_input_device(CLIENT, *connect, false),
                    Side::Output => JackDevice::default_output_device(CLIENT, *connect, false),
                };
                made.map(Device::from).map_err(|error| format!("no JACK server answers: {error}"))
            }
            Behind::Host(host) => {
                let default = match side {
                    Side::Input => host.default_input_device(),
                    Side::Output => host.default_output_device(),
                };
                default.ok_or_else(|| format!("{} has no {}", self.name(), side.name()))
            }
        }
    }

    /// The device that is meant, or the default one.
    ///
    /// # Errors
    /// When none fits, or several do.
    pub fn find(&self, side: Side, wanted: Option<&str>) -> Result<Device, String> {
        let Some(wanted) = wanted else { return self.default(side) };
        let mut devices = self.devices(side)?;
        let names: Vec<(String, String)> = devices.iter().map(|(name, id, _)| (name.clone(), id.clone())).collect();
        let index = names::choose(side.name(), &names, wanted).map_err(|unclear| unclear.to_string())?;
        Ok(devices.swap_remove(index).2)
    }
}

/// True when a JACK server may be running: asking one that is not there writes to the terminal.
fn jack_runs() -> bool {
    if cfg!(not(target_os = "linux")) {
        return true;
    }
    let shared = std::fs::read_dir("/dev/shm").into_iter().flatten().flatten();
    shared.into_iter().any(|entry| entry.file_name().to_string_lossy().starts_with("jack"))
}

fn behind(id: HostId, connect: bool) -> Result<Behind, String> {
    if key(id) == Some("jack") {
        return Ok(Behind::Jack { connect });
    }
    cpal::host_from_id(id).map(Behind::Host).map_err(|error| error.to_string())
}

/// Format that a device offers, by how well it serves: 0 cannot be used.
fn quality(format: SampleFormat) -> u8 {
    match format {
        SampleFormat::F32 => 8,
        SampleFormat::I32 => 7,
        SampleFormat::I24 => 6,
        SampleFormat::F64 => 5,
        SampleFormat::I16 => 4,
        SampleFormat::U16 => 3,
        SampleFormat::I8 => 2,
        SampleFormat::U8 => 1,
        _ => 0,
    }
}

/// Chooses how to open a device: see [`negotiate::choose`].
///
/// # Errors
/// When nothing fits.
pub fn negotiate(
    device: &Device,
    side: Side,
    rate: Option<u32>,
    like: Option<u32>,
    block: u32,
    channels: u16,
) -> Result<(Choice, SampleFormat), String> {
    let ranges: Vec<cpal::SupportedStreamConfigRange> = match side {
        Side::Input => device.supported_input_configs().map(Iterator::collect),
        Side::Output => device.supported_output_configs().map(Iterator::collect),
    }
    .map_err(|error| format!("{device}: {error}"))?;
    let offers: Vec<Offer> = ranges
        .iter()
        .enumerate()
        .map(|(index, range)| Offer {
            rates: (range.min_sample_rate(), range.max_sample_rate()),
            channels: range.channels(),
            blocks: match range.buffer_size() {
                SupportedBufferSize::Range { min, max } => Some((*min, *max)),
                SupportedBufferSize::Unknown => None,
            },
            format: quality(range.sample_format()),
            index,
        })
        .collect();
    let choice = negotiate::choose(&device.to_string(), &offers, rate, like, block, channels).map_err(|refused| refused.to_string())?;
    Ok((choice, ranges[choice.index].sample_format()))
}

/// What both openers need.
#[derive(Clone)]
pub struct Common {
    /// The system.
    pub system: Arc<std::sync::Mutex<System>>,
    /// Text of the device that is wanted.
    pub wanted: Option<String>,
    /// How it is opened, first and again.
    pub choice: Choice,
    /// Format of its samples.
    pub format: SampleFormat,
    /// Channels of the engine.
    pub channels: usize,
    /// What the threads tell each other.
    pub status: Arc<Status>,
    /// Where ports are handed over.
    pub hatch: Arc<Hatch>,
    /// Time 0 of all clocks.
    pub origin: Instant,
}

/// What a stream told of itself.
#[derive(Clone)]
struct Told {
    lost: Arc<ArrayQueue<String>>,
    denied: Arc<AtomicBool>,
}

impl Default for Told {
    fn default() -> Self {
        Self { lost: Arc::new(ArrayQueue::new(1)), denied: Arc::default() }
    }
}

impl Told {
    /// Takes an error. Comes on a thread of the system's, for which a loss is the end anyway.
    fn take(&self, error: &cpal::Error, counters: &Counters) {
        match error.kind() {
            ErrorKind::Xrun => {
                counters.xruns.fetch_add(1, Ordering::Relaxed);
            }
            ErrorKind::RealtimeDenied => self.denied.store(true, Ordering::Relaxed),
            // The system went on with another device by itself.
            ErrorKind::DeviceChanged => {}
            _ => {
                self.lost.force_push(error.to_string());
            }
        }
    }
}

/// Opens the input.
pub struct InputOpener {
    /// What both need.
    pub common: Common,
    /// Channels of the device that the engine gets, counted from 0.
    pub pick: Vec<usize>,
    /// The engine's thread.
    pub wake: Thread,
    told: Told,
    generation: u64,
}

/// Opens the output.
pub struct OutputOpener {
    /// What both need.
    pub common: Common,
    /// Rate of the engine in hertz.
    pub from_rate: f64,
    /// Input and output have one clock.
    pub one_clock: bool,
    told: Told,
    generation: u64,
}

impl InputOpener {
    /// Not open yet.
    pub fn new(common: Common, pick: Vec<usize>, wake: Thread) -> Self {
        Self { common, pick, wake, told: Told::default(), generation: 0 }
    }
}

impl OutputOpener {
    /// Not open yet.
    pub fn new(common: Common, from_rate: f64, one_clock: bool) -> Self {
        Self { common, from_rate, one_clock, told: Told::default(), generation: 0 }
    }
}

impl Common {
    fn device(&self, side: Side) -> Result<Device, String> {
        let mut system = self.system.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        // Lists and servers change; what was known when the program began may be gone.
        let found = system.again().and_then(|()| system.find(side, self.wanted.as_deref()));
        found.map_err(|reason| format!("waiting for the {}: {reason}", side.name()))
    }

    fn config(&self) -> StreamConfig {
        StreamConfig {
            channels: self.choice.channels,
            sample_rate: self.choice.rate,
            buffer_size: self.choice.block.map_or(cpal::BufferSize::Default, cpal::BufferSize::Fixed),
        }
    }
}

/// Runs the callback's first call with real-time priority, where the system did not give it.
fn once_raised(raised: &mut bool) {
    if !*raised {
        *raised = true;
        priority::raise_callback();
    }
}

fn micros(duration: Duration) -> u32 {
    u32::try_from(duration.as_micros()).unwrap_or(u32::MAX)
}

fn build_input<T: SizedSample + Sample>(device: &Device, opener: &InputOpener, mut capture: Capture) -> Result<cpal::Stream, cpal::Error>
where
    f32: FromSample<T>,
{
    let (width, pick) = (usize::from(opener.common.choice.channels), opener.pick.clone());
    let (counters, telling) = (opener.common.status.captured.clone(), opener.common.status.captured.clone());
    let (told, origin, mut raised) = (opener.told.clone(), opener.common.origin, false);
    device.build_input_stream::<T, _, _>(
        opener.common.config(),
        move |data: &[T], info: &cpal::InputCallbackInfo| {
            let time = origin.elapsed().as_secs_f64();
            once_raised(&mut raised);
            let stamp = info.timestamp();
            counters.device_us.store(micros(stamp.callback.duration_since(stamp.capture)), Ordering::Relaxed);
            capture.block(data.len() / width, time, |frame, channel| data[frame * width + pick[channel]].to_sample::<f32>());
        },
        move |error| told.take(&error, &telling),
        Some(PATIENCE),
    )
}

fn build_output<T: SizedSample + FromSample<f32>>(
    device: &Device,
    opener: &OutputOpener,
    mut playback: Playback,
) -> Result<cpal::Stream, cpal::Error> {
    let width = usize::from(opener.common.choice.channels);
    let (counters, telling) = (opener.common.status.played.clone(), opener.common.status.played.clone());
    let (told, origin, mut raised) = (opener.told.clone(), opener.common.origin, false);
    device.build_output_stream::<T, _, _>(
        opener.common.config(),
        move |data: &mut [T], info: &cpal::OutputCallbackInfo| {
            let time = origin.elapsed().as_secs_f64();
            once_raised(&mut raised);
            let stamp = info.timestamp();
            counters.device_us.store(micros(stamp.playback.duration_since(stamp.callback)), Ordering::Relaxed);
            playback.block(data.len() / width, time, |frame, samples| {
                let out = &mut data[frame * width..(frame + 1) * width];
                for (channel, out) in out.iter_mut().enumerate() {
                    // One channel goes to all; more go each to its own.
                    let value = if samples.len() == 1 { samples[0] } else { samples.get(channel).copied().unwrap_or(0.0) };
                    *out = T::from_sample(value);
                }
            });
        },
        move |error| told.take(&error, &telling),
        Some(PATIENCE),
    )
}

impl Opener for InputOpener {
    type Stream = cpal::Stream;

    fn open(&mut self) -> Result<cpal::Stream, String> {
        let common = &self.common;
        let device = common.device(Side::Input)?;
        self.generation += 1;
        let status = &common.status;
        let rate = f64::from(common.choice.rate);
        let (capture, input) =
            port::input(rate, common.channels, status.captured.clone(), status.input.clone(), Some(self.wake.clone()), self.generation);
        let built = match common.format {
            SampleFormat::F32 => build_input::<f32>(&device, self, capture),
            SampleFormat::F64 => build_input::<f64>(&device, self, capture),
            SampleFormat::I32 => build_input::<i32>(&device, self, capture),
            SampleFormat::I24 => build_input::<I24>(&device, self, capture),
            SampleFormat::I16 => build_input::<i16>(&device, self, capture),
            SampleFormat::U16 => build_input::<u16>(&device, self, capture),
            SampleFormat::I8 => build_input::<i8>(&device, self, capture),
            _ => build_input::<u8>(&device, self, capture),
        };
        let stream = built.and_then(|stream| stream.play().map(|()| stream)).map_err(|error| format!("{device}: {error}"))?;
        empty(&common.hatch);
        if common.hatch.inputs.push(Box::new(input)).is_err() {
            return Err("the engine does not take the input".into());
        }
        status.input_link.set(Link::Waiting);
        Ok(stream)
    }

    fn lost(&mut self) -> Option<String> {
        let why = self.told.lost.pop();
        if why.is_some() {
            self.common.status.input_link.set(Link::Missing);
        }
        why
    }

    fn callbacks(&self) -> u64 {
        self.common.status.captured.callbacks.load(Ordering::Relaxed)
    }
}

impl Opener for OutputOpener {
    type Stream = cpal::Stream;

    fn open(&mut self) -> Result<cpal::Stream, String> {
        let common = &self.common;
        let device = common.device(Side::Output)?;
        self.generation += 1;
        let status = &common.status;
        let rate = f64::from(common.choice.rate);
        let (playback, output) = port::output(rate, common.channels, status.played.clone(), self.generation);
        let converter = if self.one_clock && rate == self.from_rate {
            None
        } else {
            Some(Converter::new(self.from_rate, rate, common.channels).map_err(|refused| refused.to_string())?)
        };
        let built = match common.format {
            SampleFormat::F32 => build_output::<f32>(&device, self, playback),
            SampleFormat::F64 => build_output::<f64>(&device, self, playback),
            SampleFormat::I32 => build_output::<i32>(&device, self, playback),
            SampleFormat::I24 => build_output::<I24>(&device, self, playback),
            SampleFormat::I16 => build_output::<i16>(&device, self, playback),
            SampleFormat::U16 => build_output::<u16>(&device, self, playback),
            SampleFormat::I8 => build_output::<i8>(&device, self, playback),
            _ => build_output::<u8>(&device, self, playback),
        };
        let stream = built.and_then(|stream| stream.play().map(|()| stream)).map_err(|error| format!("{device}: {error}"))?;
        empty(&common.hatch);
        if common.hatch.outputs.push(Box::new(Plugged { output, converter })).is_err() {
            return Err("the engine does not take the output".into());
        }
        status.output_link.set(Link::Waiting);
        Ok(stream)
    }

    fn lost(&mut self) -> Option<String> {
        let why = self.told.lost.pop();
        if why.is_some() {
            self.common.status.output_link.set(Link::Missing);
        }
        why
    }

    fn callbacks(&self) -> u64 {
        self.common.status.played.callbacks.load(Ordering::Relaxed)
    }
}

/// Frees what the engine's thread gave back.
fn empty(hatch: &Hatch) {
    while let Some(gone) = hatch.gone.pop() {
        match gone {
            Unplugged::Input(port) => drop(port),
            Unplugged::Output(port) => drop(port),
        }
    }
}
