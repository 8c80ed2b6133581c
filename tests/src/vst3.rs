//! A small VST3 host for what the Python hosts do not do: it activates and connects any of a plugin's
//! outputs. Linux; everything runs on the caller's thread.

use crate::clap::{Wire, bundled};
use crate::engine::Blocks;
use std::ffi::{CString, c_char, c_void};
use std::ptr::null_mut;
use vst3::Steinberg::Vst::{
    AudioBusBuffers, AudioBusBuffers__type0, BusDirections_, IAudioProcessor, IAudioProcessorTrait, IComponent, IComponentTrait,
    MediaTypes_, ProcessData, ProcessModes_, ProcessSetup, SymbolicSampleSizes_,
};
use vst3::Steinberg::{IPluginBaseTrait, IPluginFactory, IPluginFactoryTrait, PClassInfo, int32, kResultOk};
use vst3::{ComPtr, Interface};

/// An instance of a plugin, active.
pub struct Plugin {
    component: ComPtr<IComponent>,
    processor: ComPtr<IAudioProcessor>,
}

/// What a host's calls must give.
fn ok(what: &str, result: i32) {
    assert_eq!(result, kResultOk, "{what}");
}

/// The factory of a bundle, whose library stays loaded until the process ends.
fn factory(file: &str) -> ComPtr<IPluginFactory> {
    let inside = format!("Contents/{}-linux", std::env::consts::ARCH);
    let path = bundled(&format!("{file}.vst3")).join(inside).join(format!("{file}.so"));
    let text = CString::new(path.to_string_lossy().into_owned()).expect("no zero bytes");
    // SAFETY: the library is this project's own plugin, whose entry points have these signatures.
    unsafe {
        let library = libc::dlopen(text.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL);
        assert!(!library.is_null(), "{} does not load", path.display());
        let symbol = |name: &std::ffi::CStr| {
            let symbol = libc::dlsym(library, name.as_ptr());
            assert!(!symbol.is_null(), "{name:?} is missing");
            symbol
        };
        let entry: unsafe extern "C" fn(*mut c_void) -> bool = std::mem::transmute(symbol(c"ModuleEntry"));
        assert!(entry(library), "the module does not start");
        let get: unsafe extern "system" fn() -> *mut IPluginFactory = std::mem::transmute(symbol(c"GetPluginFactory"));
        ComPtr::from_raw(get()).expect("a factory")
    }
}

/// Names of the plugins in a bundle.
pub fn names(file: &str) -> Vec<String> {
    let factory = factory(file);
    (0..count(&factory)).map(|index| name(&class(&factory, index))).collect()
}

fn count(factory: &ComPtr<IPluginFactory>) -> int32 {
    // SAFETY: the factory lives.
    unsafe { factory.countClasses() }
}

fn class(factory: &ComPtr<IPluginFactory>, index: int32) -> PClassInfo {
    // SAFETY: plain numbers and characters, which the factory fills.
    let mut info: PClassInfo = unsafe { std::mem::zeroed() };
    // SAFETY: the factory and the place live.
    ok("a class", unsafe { factory.getClassInfo(index, &raw mut info) });
    info
}

fn name(info: &PClassInfo) -> String {
    info.name.iter().take_while(|&&c| c != 0).map(|&c| c as u8 as char).collect()
}

impl Plugin {
    /// The plugin of a name from a bundle, offline; each of its outputs, the main one first, is
    /// active or not.
    ///
    /// # Panics
    /// When anything is refused.
    pub fn new(file: &str, wanted: &str, rate: f64, max_block: usize, active: &[bool]) -> Self {
        let factory = factory(file);
        let info = (0..count(&factory)).map(|index| class(&factory, index)).find(|info| name(info) == wanted).expect("the plugin");
        let mut object: *mut c_void = null_mut();
        let audio = MediaTypes_::kAudio as int32;
        let output = BusDirections_::kOutput as int32;
        // SAFETY: all objects are the plugin's own and live until this one goes; calls come in the standard's order.
        unsafe {
            let iid = IComponent::IID.as_ptr().cast::<c_char>();
            ok("an instance", factory.createInstance(info.cid.as_ptr(), iid, &raw mut object));
            let component = ComPtr::from_raw(object.cast::<IComponent>()).expect("a component");
            ok("initialize", component.initialize(null_mut()));
            let processor = component.cast::<IAudioProcessor>().expect("a processor");
            assert_eq!(component.getBusCount(audio, output), active.len() as int32, "outputs");
            for (index, active) in active.iter().enumerate() {
                ok("a bus", component.activateBus(audio, output, index as int32, u8::from(*active)));
            }
            let mut setup = ProcessSetup {
                processMode: ProcessModes_::kOffline as int32,
                symbolicSampleSize: SymbolicSampleSizes_::kSample32 as int32,
                maxSamplesPerBlock: max_block as int32,
                sampleRate: rate,
            };
            // Twice: the mode of the first comes with the second (defect 5 of nice-plug 0.4.2).
            ok("setup", processor.setupProcessing(&raw mut setup));
            ok("setup", processor.setupProcessing(&raw mut setup));
            ok("active", component.setActive(1));
            // Not every host calls this, and not every plugin says that it has it.
            processor.setProcessing(1);
            Self { component, processor }
        }
    }

    /// Latency reported, in samples.
    pub fn latency(&self) -> usize {
        // SAFETY: the object lives.
        unsafe { self.processor.getLatencySamples() as usize }
    }

    /// Runs a signal through, `[channel][sample]`. The main output is returned, the others are in their wires, of
    /// which there may be fewer than the plugin has.
    ///
    /// # Panics
    /// When a block is refused.
    pub fn run(&mut self, input: &[Vec<f32>], others: &mut [Wire], blocks: Blocks) -> Vec<Vec<f32>> {
        let length = input.first().map_or(0, Vec::len);
        let mut out = vec![vec![f32::NAN; length]; input.len()];
        let mut source = input.to_vec();
        for wire in others.iter_mut() {
            if let Wire::Connected(channels) | Wire::Null(channels) = wire {
                channels.iter_mut().for_each(|channel| *channel = vec![f32::NAN; length]);
            }
        }
        let mut start = 0;
        for block in blocks.lengths(length) {
            let pointers = |channels: &mut [Vec<f32>]| channels.iter_mut().map(|channel| channel[start..].as_mut_ptr()).collect::<Vec<_>>();
            let mut main_in = pointers(&mut source);
            let mut main_out = pointers(&mut out);
            let mut beside: Vec<Vec<*mut f32>> = others
                .iter_mut()
                .map(|wire| match wire {
                    Wire::Connected(channels) => pointers(channels),
                    Wire::Empty => Vec::new(),
                    Wire::Null(channels) => vec![null_mut(); channels.len()],
                })
                .collect();
            let bus = |channels: &mut Vec<*mut f32>| AudioBusBuffers {
                numChannels: channels.len() as int32,
                silenceFlags: 0,
                __field0: AudioBusBuffers__type0 { channelBuffers32: if channels.is_empty() { null_mut() } else { channels.as_mut_ptr() } },
            };
            let mut inputs = [bus(&mut main_in)];
            let mut outputs: Vec<AudioBusBuffers> = std::iter::once(&mut main_out).chain(&mut beside).map(bus).collect();
            let mut data = ProcessData {
                processMode: ProcessModes_::kOffline as int32,
                symbolicSampleSize: SymbolicSampleSizes_::kSample32 as int32,
                numSamples: block as int32,
                numInputs: 1,
                numOutputs: outputs.len() as int32,
                inputs: inputs.as_mut_ptr(),
                outputs: outputs.as_mut_ptr(),
                inputParameterChanges: null_mut(),
                outputParameterChanges: null_mut(),
                inputEvents: null_mut(),
                outputEvents: null_mut(),
                processContext: null_mut(),
            };
            // SAFETY: all buffers live for the call and are as long as is said.
            ok("process", unsafe { self.processor.process(&raw mut data) });
            start += block;
        }
        out
    }
}

impl Drop for Plugin {
    fn drop(&mut self) {
        // SAFETY: the objects live; they are given back after this.
        unsafe {
            self.processor.setProcessing(0);
            self.component.setActive(0);
            self.component.terminate();
        }
    }
}
