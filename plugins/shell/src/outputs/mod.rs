//! Outputs beside the main one, in hosts that connect all, some or none of them.
//!
//! nice-plug 0.4.2 skips `process` when the host leaves one output out, and the sound passes unchanged
//! (its defect 2); where the list of outputs ends early it reads one entry past the end. Here a list that
//! is always whole is put in front of it: what the host connected stays where it is, for the rest there is
//! memory of our own that nobody reads.
//!
//! ```text
//! host ─▶ process ─▶ [Spare: missing outputs get scratch] ─▶ nice-plug's process ─▶ plugin
//! ```
//!
//! [`export`](crate::export) makes the library's entry points do so. Hosts' tests with deactivated outputs
//! show whether that is still needed: without it they hear the main input pass.

pub mod clap;
pub mod vst3;

use ::vst3::Steinberg::Vst::{AudioBusBuffers, AudioBusBuffers__type0};
use clap_sys::audio_buffer::clap_audio_buffer;
use parking_lot::{Mutex, MutexGuard};
use std::any::Any;
use std::cell::RefCell;
use std::sync::{Arc, OnceLock};

/// Stand-ins for the outputs of one instance that its host has not connected.
#[derive(Default)]
pub struct Spare {
    /// Locked for the length of a block, never waited for there.
    buses: Mutex<Buses>,
    /// What a format keeps for as long as the instance lives.
    kept: OnceLock<Box<dyn Any + Send + Sync>>,
}

impl std::fmt::Debug for Spare {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Spare").finish_non_exhaustive()
    }
}

thread_local! {
    /// The newest instance's, from its making until its format takes it.
    static NEWEST: RefCell<Option<Arc<Spare>>> = const { RefCell::new(None) };
}

impl Spare {
    /// For a new instance, whose format takes it with `Spare::of_newest`.
    pub fn offered() -> Arc<Self> {
        let spare = Arc::new(Self::default());
        NEWEST.with(|newest| *newest.borrow_mut() = Some(spare.clone()));
        spare
    }

    /// That of the instance which this thread has just made; none if it has one output alone.
    fn of_newest() -> Option<Arc<Self>> {
        NEWEST.with(|newest| newest.borrow_mut().take())
    }

    /// Makes room for blocks of so many samples, with so many channels in each output, the main one first.
    /// Not for the audio thread.
    pub fn prepare(&self, channels: &[usize], samples: usize) {
        *self.buses.lock() = Buses::new(channels, samples);
    }

    /// None while it is being prepared, in which case no host processes.
    fn buses(&self) -> Option<MutexGuard<'_, Buses>> {
        self.buses.try_lock()
    }

    /// Keeps what must live as long as the instance, and gives its place.
    fn keep<T: Send + Sync + 'static>(&self, it: T) -> Option<&T> {
        let _ = self.kept.set(Box::new(it));
        self.kept.get().and_then(|kept| kept.downcast_ref())
    }
}

/// One output: its channels, and pointers to their scratch.
struct Bus {
    scratch: Box<[*mut f32]>,
}

/// All outputs, the main one first.
#[derive(Default)]
struct Buses {
    samples: usize,
    /// Never read: it only has to be there.
    _memory: Vec<Box<[f32]>>,
    buses: Vec<Bus>,
    clap: Vec<clap_audio_buffer>,
    vst3: Vec<AudioBusBuffers>,
}

// SAFETY: the pointers point into `_memory`, which they share the life of, or are the host's, which gives
// them anew for each block.
unsafe impl Send for Buses {}

impl Buses {
    fn new(channels: &[usize], samples: usize) -> Self {
        let mut memory: Vec<Box<[f32]>> = Vec::new();
        let mut buses = Vec::new();
        for &count in channels {
            let scratch = (0..count)
                .map(|_| {
                    memory.push(vec![0.0; samples].into());
                    memory.last_mut().map_or(std::ptr::null_mut(), |channel| channel.as_mut_ptr())
                })
                .collect();
            buses.push(Bus { scratch });
        }
        let clap = clap_audio_buffer {
            data32: std::ptr::null_mut(),
            data64: std::ptr::null_mut(),
            channel_count: 0,
            latency: 0,
            constant_mask: 0,
        };
        let vst3 = AudioBusBuffers {
            numChannels: 0,
            silenceFlags: 0,
            __field0: AudioBusBuffers__type0 { channelBuffers32: std::ptr::null_mut() },
        };
        Self { samples, _memory: memory, clap: vec![clap; buses.len()], vst3: vec![vst3; buses.len()], buses }
    }
}

impl Bus {
    /// The host's channels where all are there, else the scratch.
    ///
    /// # Safety
    /// `given` is null or points to `count` pointers.
    unsafe fn connected(&mut self, given: *mut *mut f32, count: usize) -> *mut *mut f32 {
        let channels = self.scratch.len();
        // SAFETY: as promised, and no more than `count` are read.
        let all = !given.is_null() && count >= channels && (0..channels).all(|channel| unsafe { !(*given.add(channel)).is_null() });
        if all { given } else { self.scratch.as_mut_ptr() }
    }
}

/// Makes the entry points of a library with several plugins, of which some have several outputs. In place
/// of `nice_export_clap!` and `nice_export_vst3!`.
#[macro_export]
macro_rules! export {
    ($($plugin:ty),+ $(,)?) => {
        #[doc(hidden)]
        mod plainsong_entry {
            use super::*;
            use std::ffi::c_char;

            pub unsafe extern "C" fn init(_: *const c_char) -> bool {
                $crate::outputs::clap::init(|| vec![$($crate::outputs::clap::Exported::of::<$plugin>()),+])
            }

            pub fn factory() -> $crate::outputs::vst3::Factory {
                $crate::outputs::vst3::Factory::new(vec![$($crate::outputs::vst3::Exported::of::<$plugin>()),+])
            }

            pub fn log() {
                $($crate::nice_plug::wrapper::setup_logger::<$plugin>();)+
            }
        }

        /// Where CLAP hosts enter.
        #[unsafe(no_mangle)]
        #[used]
        pub static clap_entry: $crate::outputs::clap::Entry = $crate::outputs::clap::entry(plainsong_entry::init);

        /// Where VST3 hosts enter.
        #[unsafe(no_mangle)]
        pub extern "system" fn GetPluginFactory() -> *mut std::ffi::c_void {
            plainsong_entry::factory().into_raw()
        }

        $crate::export!(@ module);
    };
    (@ module) => {
        /// A VST3 host has loaded the library.
        #[unsafe(no_mangle)]
        #[cfg(all(unix, not(target_os = "macos")))]
        pub extern "C" fn ModuleEntry(_: *mut std::ffi::c_void) -> bool {
            plainsong_entry::log();
            true
        }

        /// A VST3 host unloads the library.
        #[unsafe(no_mangle)]
        #[cfg(all(unix, not(target_os = "macos")))]
        pub extern "C" fn ModuleExit() -> bool {
            true
        }

        /// A VST3 host has loaded the library.
        #[unsafe(no_mangle)]
        #[cfg(target_os = "macos")]
        pub extern "C" fn bundleEntry(_: *mut std::ffi::c_void) -> bool {
            plainsong_entry::log();
            true
        }

        /// A VST3 host unloads the library.
        #[unsafe(no_mangle)]
        #[cfg(target_os = "macos")]
        pub extern "C" fn bundleExit() -> bool {
            true
        }

        /// A VST3 host has loaded the library.
        #[unsafe(no_mangle)]
        #[cfg(target_os = "windows")]
        pub extern "system" fn InitDll() -> bool {
            plainsong_entry::log();
            true
        }

        /// A VST3 host unloads the library.
        #[unsafe(no_mangle)]
        #[cfg(target_os = "windows")]
        pub extern "system" fn ExitDll() -> bool {
            true
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_that_is_whole_stays_the_hosts_and_the_rest_gets_scratch() {
        let mut buses = Buses::new(&[2, 2], 16);
        let (mut left, mut right) = ([0.0_f32; 16], [0.0_f32; 16]);
        let mut whole = [left.as_mut_ptr(), right.as_mut_ptr(), std::ptr::null_mut()];
        let mut half = [left.as_mut_ptr(), std::ptr::null_mut()];
        let bus = &mut buses.buses[1];
        let scratch = bus.scratch.as_mut_ptr();
        // SAFETY: each list has as many entries as is said.
        unsafe {
            assert_eq!(bus.connected(whole.as_mut_ptr(), 2), whole.as_mut_ptr());
            assert_eq!(bus.connected(whole.as_mut_ptr(), 3), whole.as_mut_ptr());
            assert_eq!(bus.connected(whole.as_mut_ptr(), 1), scratch);
            assert_eq!(bus.connected(half.as_mut_ptr(), 2), scratch);
            assert_eq!(bus.connected(std::ptr::null_mut(), 2), scratch);
            // All scratch can be written, and none of it twice.
            for bus in &buses.buses {
                for (channel, &pointer) in bus.scratch.iter().enumerate() {
                    std::slice::from_raw_parts_mut(pointer, 16).fill(channel as f32);
                }
            }
        }
        assert_eq!(buses._memory.len(), 4);
        assert!(buses._memory.iter().enumerate().all(|(i, channel)| channel.iter().all(|x| *x == (i % 2) as f32)));
    }

    #[test]
    fn a_format_takes_what_the_newest_instance_offers_once() {
        let spare = Spare::offered();
        assert!(Spare::of_newest().is_some_and(|taken| Arc::ptr_eq(&taken, &spare)));
        assert!(Spare::of_newest().is_none());
    }
}
