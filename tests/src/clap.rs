//! A small CLAP host: loads a bundled plugin and does to it what hosts do.
//!
//! Everything runs on the caller's thread, which is main and audio thread in turn, as the CLAP
//! standard permits.

use crate::engine::Blocks;
use crate::random::Random;
use crate::subject::{Set, Subject, named};
use clack_extensions::audio_ports::{AudioPortInfoBuffer, PluginAudioPorts};
use clack_extensions::audio_ports_config::{AudioPortsConfigBuffer, PluginAudioPortsConfig};
use clack_extensions::gui::{GuiSize, HostGui, HostGuiImpl, PluginGui};
use clack_extensions::latency::{HostLatency, HostLatencyImpl, PluginLatency};
use clack_extensions::params::{
    HostParams, HostParamsImplMainThread, HostParamsImplShared, ParamClearFlags, ParamInfoBuffer, ParamInfoFlags, ParamRescanFlags,
    PluginParams,
};
use clack_extensions::render::{PluginRender, RenderMode};
use clack_extensions::state::{HostState, HostStateImpl, PluginState};
use clack_host::events::event_types::ParamValueEvent;
use clack_host::prelude::*;
use std::ffi::{CStr, CString};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// What the plugin asked of the host.
#[derive(Debug, Default)]
pub struct Requests {
    restart: AtomicBool,
    callback: AtomicBool,
    flush: AtomicBool,
    resized_to: AtomicU64,
}

impl SharedHandler<'_> for Requests {
    fn request_restart(&self) {
        self.restart.store(true, Ordering::SeqCst);
    }
    fn request_process(&self) {}
    fn request_callback(&self) {
        self.callback.store(true, Ordering::SeqCst);
    }
}

impl HostParamsImplShared for Requests {
    fn request_flush(&self) {
        self.flush.store(true, Ordering::SeqCst);
    }
}

impl HostGuiImpl for Requests {
    fn resize_hints_changed(&self) {}
    fn request_resize(&self, size: GuiSize) -> Result<(), HostError> {
        self.resized_to.store(size.pack_to_u64(), Ordering::SeqCst);
        Ok(())
    }
    fn request_show(&self) -> Result<(), HostError> {
        Ok(())
    }
    fn request_hide(&self) -> Result<(), HostError> {
        Ok(())
    }
    fn closed(&self, _: bool) {}
}

/// The host's main thread: nothing to keep, the plugin is asked when its values matter.
#[derive(Debug)]
pub struct Main;

impl MainThreadHandler<'_> for Main {}
impl HostLatencyImpl for Main {
    fn changed(&self) {}
}
impl HostStateImpl for Main {
    fn mark_dirty(&self) {}
}
impl HostParamsImplMainThread for Main {
    fn rescan(&self, _: ParamRescanFlags) {}
    fn clear(&self, _: ClapId, _: ParamClearFlags) {}
}

/// The host.
#[derive(Debug)]
pub struct Host;

impl HostHandlers for Host {
    type Shared<'a> = Requests;
    type MainThread<'a> = Main;
    type AudioProcessor<'a> = ();

    fn declare_extensions(builder: &mut HostExtensions<Self>, _: &Self::Shared<'_>) {
        builder.register::<HostLatency>().register::<HostParams>().register::<HostState>().register::<HostGui>();
    }
}

/// Path of a bundled plugin.
///
/// # Panics
/// When it is not there, with the command that makes it.
pub fn bundled(file: &str) -> PathBuf {
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"), PathBuf::from);
    let path = target.join("bundled").join(file);
    assert!(path.exists(), "{} is missing: run `cargo xtask bundle --release` first", path.display());
    path
}

/// A loaded plugin file.
pub struct Bundle(PluginEntry);

impl Bundle {
    /// Loads a subject's plugin.
    ///
    /// # Panics
    /// When it is missing or does not load.
    pub fn of<S: Subject>() -> Self {
        let path = bundled(&format!("{}.clap", S::PRODUCT));
        // SAFETY: the file is this project's own plugin, which upholds the CLAP standard.
        Self(unsafe { PluginEntry::load(&path) }.unwrap_or_else(|e| panic!("{} does not load: {e}", path.display())))
    }

    /// Ids of the plugins in the file.
    pub fn ids(&self) -> Vec<CString> {
        let Some(factory) = self.0.get_plugin_factory() else { return Vec::new() };
        factory.plugin_descriptors().filter_map(|d| d.id().map(Into::into)).collect()
    }
}

/// One parameter as the plugin declares it. Values are in the plugin's CLAP range.
#[derive(Clone, Debug, PartialEq)]
pub struct Param {
    /// CLAP id.
    pub id: ClapId,
    /// Name shown.
    pub name: String,
    /// Lowest value.
    pub min: f64,
    /// Highest value.
    pub max: f64,
    /// Value of a new instance.
    pub default: f64,
    /// Takes whole values only.
    pub stepped: bool,
}

/// How a host treats an output beside the main one.
#[derive(Clone, Debug, PartialEq)]
pub enum Wire {
    /// It takes the sound, `[channel][sample]`.
    Connected(Vec<Vec<f32>>),
    /// It says that there are no channels.
    Empty,
    /// It says that there are as many channels as here, and gives none of their memory.
    Null(Vec<Vec<f32>>),
}

impl Wire {
    /// Connected, with so many channels.
    pub fn of(channels: usize) -> Self {
        Self::Connected(vec![Vec::new(); channels])
    }

    /// What it has taken; nothing where it is not connected.
    pub fn heard(&self) -> &[Vec<f32>] {
        match self {
            Self::Connected(channels) => channels,
            _ => &[],
        }
    }

    fn channels(&self) -> usize {
        self.heard().len()
    }

    /// Its memory for a block, full of what must not come out.
    fn block(&mut self, length: usize) -> Vec<&mut [f32]> {
        match self {
            Self::Connected(channels) | Self::Null(channels) => channels
                .iter_mut()
                .map(|channel| {
                    channel.clear();
                    channel.resize(length, f32::NAN);
                    &mut channel[..]
                })
                .collect(),
            Self::Empty => Vec::new(),
        }
    }
}

/// An instance of a plugin.
pub struct Plugin {
    processor: Option<PluginAudioProcessor<Host>>,
    instance: PluginInstance<Host>,
    ports: (AudioPorts, AudioPorts),
    /// Input of the block, since the plugin may not write to it and the caller's buffer is in place.
    input: Vec<Vec<f32>>,
    events: EventBuffer,
    clock: u64,
}

impl Plugin {
    /// A new instance of the file's first plugin.
    ///
    /// # Panics
    /// When it cannot be made.
    pub fn new(bundle: &Bundle) -> Self {
        let id = bundle.ids().first().cloned().expect("a plugin in the bundle");
        Self::of_id(bundle, &id)
    }

    /// A new instance of the file's plugin of this id.
    ///
    /// # Panics
    /// When it cannot be made.
    pub fn of_id(bundle: &Bundle, id: &CStr) -> Self {
        let info = HostInfo::new("Plainsong tests", "Plainsong", "", "0.1.0").expect("no zero bytes");
        let instance = PluginInstance::<Host>::new(|_| Requests::default(), |_| Main, &bundle.0, id, &info)
            .unwrap_or_else(|e| panic!("no instance of {id:?}: {e}"));
        let mut plugin = Self {
            processor: None,
            instance,
            ports: (AudioPorts::with_capacity(8, 1), AudioPorts::with_capacity(16, 8)),
            input: Vec::new(),
            events: EventBuffer::with_capacity(256),
            clock: 0,
        };
        plugin.idle();
        plugin
    }

    /// What an extension needs.
    fn extension<E: clack_host::extensions::Extension<ExtensionSide = clack_host::extensions::PluginExtensionSide>>(&self) -> E {
        self.instance.plugin_shared_handle().get_extension::<E>().unwrap_or_else(|| panic!("the plugin lacks {:?}", E::IDENTIFIERS))
    }

    /// Runs what the plugin asked to be run on the main thread. Restarts are the test's business.
    pub fn idle(&mut self) {
        if self.instance.access_shared_handler(|requests| requests.callback.swap(false, Ordering::SeqCst)) {
            self.instance.call_on_main_thread_callback();
        }
    }

    /// True once after the plugin asked for a restart.
    pub fn wants_restart(&mut self) -> bool {
        self.instance.access_shared_handler(|requests| requests.restart.swap(false, Ordering::SeqCst))
    }

    /// Selects mono (1) or stereo (2) main ports. Must not be active.
    ///
    /// # Panics
    /// When the plugin has no such configuration.
    pub fn select_channels(&mut self, channels: u32) {
        assert!(self.processor.is_none(), "deactivate first");
        if self.channels() == channels {
            return;
        }
        let configs: PluginAudioPortsConfig = self.extension();
        let handle = self.instance.plugin_handle();
        let mut buffer = AudioPortsConfigBuffer::new();
        let id = (0..configs.count(&handle))
            .find_map(|index| {
                let config = configs.get(&handle, index, &mut buffer)?;
                let fits = config.main_input.is_some_and(|p| p.channel_count == channels)
                    && config.main_output.is_some_and(|p| p.channel_count == channels);
                fits.then_some(config.id)
            })
            .unwrap_or_else(|| panic!("no configuration of {channels} channels"));
        configs.select(&handle, id).expect("a configuration that the plugin lists");
        assert_eq!(self.channels(), channels, "channels of the main port");
    }

    /// Channels of the main output.
    pub fn channels(&mut self) -> u32 {
        let ports: PluginAudioPorts = self.extension();
        let handle = self.instance.plugin_handle();
        let mut buffer = AudioPortInfoBuffer::new();
        ports.get(&handle, 0, false, &mut buffer).map_or(0, |port| port.channel_count)
    }

    /// Activates and starts.
    ///
    /// # Panics
    /// When the plugin refuses.
    pub fn activate(&mut self, rate: f64, max_block: u32) {
        let configuration = PluginAudioConfiguration { sample_rate: rate, min_frames_count: 1, max_frames_count: max_block };
        let stopped = self.instance.activate(|_, _| (), configuration).unwrap_or_else(|e| panic!("activation at {rate} Hz: {e}"));
        let mut processor: PluginAudioProcessor<Host> = stopped.into();
        processor.start_processing().unwrap_or_else(|e| panic!("start: {e}"));
        self.processor = Some(processor);
        self.clock = 0;
        self.idle();
    }

    /// Stops and deactivates. Nothing happens to an inactive plugin.
    pub fn deactivate(&mut self) {
        if let Some(processor) = self.processor.take() {
            self.instance.deactivate(processor.into_stopped());
            self.idle();
        }
    }

    /// Forgets all history.
    pub fn reset(&mut self) {
        if let Some(processor) = &mut self.processor {
            processor.reset();
        }
    }

    /// Offline (faster than real time, nothing may be dropped) or real time.
    ///
    /// # Panics
    /// When the plugin refuses.
    pub fn set_offline(&mut self, offline: bool) {
        let render: PluginRender = self.extension();
        let mode = if offline { RenderMode::Offline } else { RenderMode::Realtime };
        render.set(&self.instance.plugin_handle(), mode).expect("a render mode that the plugin takes");
    }

    /// Latency reported, in samples.
    pub fn latency(&mut self) -> usize {
        let latency: PluginLatency = self.extension();
        latency.get(&self.instance.plugin_handle()) as usize
    }

    /// All parameters.
    pub fn params(&mut self) -> Vec<Param> {
        let params: PluginParams = self.extension();
        let handle = self.instance.plugin_handle();
        let mut buffer = ParamInfoBuffer::new();
        (0..params.count(&handle))
            .filter_map(|index| {
                let info = params.get_info(&handle, index, &mut buffer)?;
                Some(Param {
                    id: info.id,
                    name: String::from_utf8_lossy(info.name).into_owned(),
                    min: info.min_value,
                    max: info.max_value,
                    default: info.default_value,
                    stepped: info.flags.contains(ParamInfoFlags::IS_STEPPED),
                })
            })
            .collect()
    }

    /// The parameter of this name.
    ///
    /// # Panics
    /// When there is none.
    pub fn param(&mut self, name: &str) -> Param {
        let params = self.params();
        params
            .iter()
            .find(|p| p.name == name)
            .cloned()
            .unwrap_or_else(|| panic!("no parameter {name:?} in {:?}", params.iter().map(|p| &p.name).collect::<Vec<_>>()))
    }

    /// Current value in the plugin's CLAP range.
    ///
    /// # Panics
    /// When the plugin does not know the parameter.
    pub fn value(&mut self, id: ClapId) -> f64 {
        let params: PluginParams = self.extension();
        params.get_value(&self.instance.plugin_handle(), id).expect("a value of a known parameter")
    }

    /// The value as the plugin shows it.
    ///
    /// # Panics
    /// When the plugin has no text for it.
    pub fn text(&mut self, id: ClapId, value: f64) -> String {
        let params: PluginParams = self.extension();
        let mut buffer = [0_u8; 256];
        let text = params.value_to_text(&self.instance.plugin_handle(), id, value, &mut buffer).expect("text of a value");
        String::from_utf8_lossy(text).into_owned()
    }

    /// The value that the plugin reads from a text.
    pub fn read_text(&mut self, id: ClapId, text: &str) -> Option<f64> {
        let params: PluginParams = self.extension();
        params.text_to_value(&self.instance.plugin_handle(), id, &CString::new(text).ok()?)
    }

    /// Sets a parameter by name, as typed by a person, by a flush.
    ///
    /// # Panics
    /// When there is no such parameter or the plugin does not read the text.
    pub fn set(&mut self, name: &str, text: &str) {
        let param = self.param(name);
        let value = self.read_text(param.id, text).unwrap_or_else(|| panic!("{name} does not read {text:?}"));
        self.flush(&[(param.id, value)]);
    }

    /// Sets parameters by id, as in a subject's settings, by flushes.
    pub fn set_all<S: Subject>(&mut self, set: Set) {
        for (name, text) in named::<S>(set) {
            self.set(name, text);
        }
    }

    /// Sends values outside of `process`.
    pub fn flush(&mut self, values: &[(ClapId, f64)]) {
        let params: PluginParams = self.extension();
        self.events.clear();
        for &(id, value) in values {
            self.events.push(&ParamValueEvent::new(0, id, Pckn::match_all(), value));
        }
        let input = self.events.as_input();
        let mut output = OutputEvents::void();
        if let Some(processor) = &mut self.processor {
            params.flush_active(&mut processor.plugin_handle(), &input, &mut output);
        } else if let Some(mut handle) = self.instance.inactive_plugin_handle() {
            params.flush(&mut handle, &input, &mut output);
        }
        self.idle();
    }

    /// The state as bytes.
    ///
    /// # Panics
    /// When the plugin cannot save.
    pub fn save(&mut self) -> Vec<u8> {
        let state: PluginState = self.extension();
        let mut bytes = Vec::new();
        state.save(&self.instance.plugin_handle(), &mut bytes).expect("a state");
        bytes
    }

    /// Loads a state; false when the plugin refuses it.
    pub fn load(&mut self, bytes: &[u8]) -> bool {
        let state: PluginState = self.extension();
        let loaded = state.load(&self.instance.plugin_handle(), &mut std::io::Cursor::new(bytes)).is_ok();
        self.idle();
        loaded
    }

    /// Processes a block in place with values that change at its first sample.
    ///
    /// # Panics
    /// When the plugin is not active or reports an error.
    pub fn process(&mut self, audio: &mut [&mut [f32]], values: &[(ClapId, f64)]) {
        self.process_wired(audio, &mut [], values);
    }

    /// As [`Plugin::process`], with outputs beside the main one.
    ///
    /// # Panics
    /// When the plugin is not active or reports an error.
    pub fn process_wired(&mut self, audio: &mut [&mut [f32]], others: &mut [Wire], values: &[(ClapId, f64)]) {
        let length = audio.first().map_or(0, |channel| channel.len());
        self.input.resize_with(audio.len(), Vec::new);
        for (kept, channel) in self.input.iter_mut().zip(audio.iter_mut()) {
            kept.clear();
            kept.extend_from_slice(channel);
            // The plugin must not rely on what the output buffer held.
            channel.fill(f32::NAN);
        }
        self.events.clear();
        for &(id, value) in values {
            self.events.push(&ParamValueEvent::new(0, id, Pckn::match_all(), value));
        }
        let input = self.ports.0.with_input_buffers([AudioPortBuffer {
            latency: 0,
            channels: AudioPortBufferType::f32_input_only(self.input.iter_mut().map(InputChannel::variable)),
        }]);
        let cut: Vec<bool> = others.iter().map(|wire| matches!(wire, Wire::Null(_))).collect();
        let main: Vec<&mut [f32]> = audio.iter_mut().map(|channel| &mut **channel).collect();
        let beside = others.iter_mut().map(|wire| wire.block(length));
        let outputs: Vec<_> = std::iter::once(main)
            .chain(beside)
            .map(|channels| AudioPortBuffer { latency: 0, channels: AudioPortBufferType::f32_output_only(channels) })
            .collect();
        let mut output = self.ports.1.with_output_buffers(outputs);
        for (buffer, _) in output.as_raw_buffers().iter_mut().skip(1).zip(cut).filter(|(_, cut)| *cut) {
            buffer.data32 = std::ptr::null_mut();
        }
        let processor = self.processor.as_mut().expect("an active plugin").as_started_mut().expect("a started plugin");
        processor
            .process(&input, &mut output, &self.events.as_input(), &mut OutputEvents::void(), Some(self.clock), None)
            .unwrap_or_else(|e| panic!("process: {e}"));
        self.clock += length as u64;
    }

    /// Runs a signal through, in blocks no longer than `max_block`. The output is as long as the
    /// input and late by the latency.
    pub fn run(&mut self, input: &[Vec<f32>], blocks: Blocks, max_block: u32) -> Vec<Vec<f32>> {
        let mut out = input.to_vec();
        let mut start = 0;
        for length in blocks.lengths(input.first().map_or(0, Vec::len)) {
            let length_now = length.min(max_block as usize);
            let mut left = length;
            while left > 0 {
                let now = left.min(length_now);
                let mut block: Vec<&mut [f32]> = out.iter_mut().map(|channel| &mut channel[start..start + now]).collect();
                self.process(&mut block, &[]);
                start += now;
                left -= now;
            }
            self.idle();
        }
        out
    }

    /// As [`Plugin::run`], with outputs beside the main one that hold the whole sound afterwards.
    ///
    /// # Panics
    /// When a block is longer than `max_block`.
    pub fn run_wired(&mut self, input: &[Vec<f32>], others: &mut [Wire], blocks: Blocks, max_block: u32) -> Vec<Vec<f32>> {
        let mut out = input.to_vec();
        let mut whole: Vec<Vec<Vec<f32>>> = others.iter().map(|wire| vec![Vec::new(); wire.channels()]).collect();
        let mut start = 0;
        for length in blocks.lengths(input.first().map_or(0, Vec::len)) {
            assert!(length <= max_block as usize, "blocks of {length}, the plugin knows of {max_block}");
            let end = start + length;
            let mut block: Vec<&mut [f32]> = out.iter_mut().map(|channel| &mut channel[start..end]).collect();
            self.process_wired(&mut block, others, &[]);
            for (whole, wire) in whole.iter_mut().zip(others.iter()) {
                whole.iter_mut().zip(wire.heard()).for_each(|(whole, heard)| whole.extend_from_slice(heard));
            }
            self.idle();
            start = end;
        }
        for (wire, whole) in others.iter_mut().zip(whole) {
            if let Wire::Connected(channels) = wire {
                *channels = whole;
            }
        }
        out
    }

    /// Waits, in real time, until the models have arrived: until the subject's sound no longer passes
    /// unchanged with its busiest settings. The settings are as before then. Returns how long it took.
    ///
    /// # Panics
    /// When that takes longer than ten seconds.
    pub fn wait_until_ready<S: Subject>(&mut self, channels: usize) -> Duration {
        let start = Instant::now();
        if S::REMOVED.is_empty() {
            // What never changes the sound passes it from the start.
            return start.elapsed();
        }
        // Long enough for an engine that learns a voice first.
        let sound = S::sound(48_000.0, 3.0, channels, 7);
        let state = self.save();
        self.set_all::<S>(S::BUSY);
        while start.elapsed() < Duration::from_secs(10) {
            self.reset();
            let out = self.run(&sound, Blocks::Of(512), 512);
            let delayed = crate::audio::delayed(&sound, self.latency());
            if crate::measure::null_db(&out, &delayed, 0) > -100.0 {
                let took = start.elapsed();
                assert!(self.load(&state), "its own state is refused");
                self.reset();
                return took;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("after ten seconds the plugin still passes its input: did the models load?");
    }

    /// Random values for all parameters but those named.
    pub fn random_values(&mut self, random: &mut Random, but: &[&str]) -> Vec<(ClapId, f64)> {
        let params = self.params();
        params
            .iter()
            .filter(|p| !but.contains(&p.name.as_str()))
            .map(|p| {
                let value = p.min + (p.max - p.min) * f64::from(random.unit());
                (p.id, if p.stepped { value.round() } else { value })
            })
            .collect()
    }

    /// The editor, if the plugin has one.
    pub fn gui(&mut self) -> Option<PluginGui> {
        self.instance.plugin_shared_handle().get_extension()
    }

    /// The main thread's handle, to call extensions with.
    pub fn handle(&mut self) -> PluginMainThreadHandle<'_> {
        self.instance.plugin_handle()
    }
}

impl Drop for Plugin {
    fn drop(&mut self) {
        self.deactivate();
    }
}
