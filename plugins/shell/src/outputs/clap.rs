//! The CLAP entry point of a library with several plugins.

use super::Spare;
use clap_sys::audio_buffer::clap_audio_buffer;
use clap_sys::process::{clap_process, clap_process_status};
use nice_plug::prelude::ClapPlugin;
use nice_plug::wrapper::clap::{
    CLAP_PLUGIN_FACTORY_ID, CLAP_VERSION, PluginDescriptor, Wrapper, clap_host, clap_plugin, clap_plugin_descriptor, clap_plugin_factory,
};
use std::ffi::{CStr, c_char, c_void};
use std::sync::{Arc, OnceLock};

pub use clap_sys::entry::clap_plugin_entry as Entry;

/// One plugin of the library.
pub struct Exported {
    descriptor: PluginDescriptor,
    create: unsafe fn(*const clap_host) -> *const clap_plugin,
    log: fn(),
}

impl std::fmt::Debug for Exported {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Exported").field(&self.descriptor.clap_id()).finish()
    }
}

/// The library's plugins: a library has one list.
static PLUGINS: OnceLock<Vec<Exported>> = OnceLock::new();

static FACTORY: clap_plugin_factory =
    clap_plugin_factory { get_plugin_count: Some(count), get_plugin_descriptor: Some(descriptor), create_plugin: Some(create) };

/// The entry point whose `init` is given.
pub const fn entry(init: unsafe extern "C" fn(*const c_char) -> bool) -> Entry {
    Entry { clap_version: CLAP_VERSION, init: Some(init), deinit: Some(deinit), get_factory: Some(factory) }
}

/// Takes the library's plugins. A host may call it more than once.
pub fn init(plugins: impl FnOnce() -> Vec<Exported>) -> bool {
    PLUGINS.get_or_init(plugins).iter().for_each(|plugin| (plugin.log)());
    true
}

unsafe extern "C" fn deinit() {}

unsafe extern "C" fn factory(id: *const c_char) -> *const c_void {
    // SAFETY: the host gives a text that ends with a zero, or nothing.
    let wanted = !id.is_null() && unsafe { CStr::from_ptr(id) } == CLAP_PLUGIN_FACTORY_ID;
    if wanted { std::ptr::from_ref(&FACTORY).cast() } else { std::ptr::null() }
}

fn plugins() -> &'static [Exported] {
    PLUGINS.get().map_or(&[], Vec::as_slice)
}

unsafe extern "C" fn count(_: *const clap_plugin_factory) -> u32 {
    plugins().len() as u32
}

unsafe extern "C" fn descriptor(_: *const clap_plugin_factory, index: u32) -> *const clap_plugin_descriptor {
    plugins().get(index as usize).map_or(std::ptr::null(), |plugin| std::ptr::from_ref(plugin.descriptor.clap_plugin_descriptor()))
}

unsafe extern "C" fn create(_: *const clap_plugin_factory, host: *const clap_host, id: *const c_char) -> *const clap_plugin {
    if host.is_null() || id.is_null() {
        return std::ptr::null();
    }
    // SAFETY: the host gives a text that ends with a zero.
    let id = unsafe { CStr::from_ptr(id) };
    let plugin = plugins().iter().find(|plugin| plugin.descriptor.clap_id() == id);
    // SAFETY: the host is alive, as the standard has it.
    plugin.map_or(std::ptr::null(), |plugin| unsafe { (plugin.create)(host) })
}

/// An instance as the host sees it: nice-plug's, with another `process`.
#[repr(C)]
struct Instance {
    /// First, so that a pointer to it is one to the whole.
    plugin: clap_plugin,
    process: Option<unsafe extern "C" fn(*const clap_plugin, *const clap_process) -> clap_process_status>,
    spare: *const Spare,
}

// SAFETY: it is written before the host has it and read only then. `spare` owns it, so it lives longer.
unsafe impl Send for Instance {}
// SAFETY: as above.
unsafe impl Sync for Instance {}

impl Exported {
    /// Of a plugin.
    pub fn of<P: ClapPlugin>() -> Self {
        Self { descriptor: PluginDescriptor::for_plugin::<P>(), create: instance::<P>, log: nice_plug::wrapper::setup_logger::<P> }
    }
}

/// # Safety
/// The host is alive for as long as the instance.
unsafe fn instance<P: ClapPlugin>(host: *const clap_host) -> *const clap_plugin {
    // What an instance of another kind may have left.
    drop(Spare::of_newest());
    // Its `destroy` makes an `Arc` of it again.
    // SAFETY: the host is alive, and the wrapper was made just now.
    let plugin: *const clap_plugin = unsafe { (*Arc::into_raw(Wrapper::<P>::new(host))).clap_plugin.as_ptr() };
    let Some(spare) = Spare::of_newest() else { return plugin };
    // SAFETY: the struct is copied whole. nice-plug finds itself by `plugin_data`, never by its address.
    let own = unsafe { *plugin };
    let of_ours = Instance { plugin: clap_plugin { process: Some(process), ..own }, process: own.process, spare: Arc::as_ptr(&spare) };
    spare.keep(of_ours).map_or(plugin, |instance| &raw const instance.plugin)
}

unsafe extern "C" fn process(plugin: *const clap_plugin, process: *const clap_process) -> clap_process_status {
    let instance = plugin.cast::<Instance>();
    // SAFETY: the host gives back the pointer that it got, to an `Instance` that lives as long as the plugin.
    let (Some(theirs), spare) = (unsafe { ((*instance).process, &*(*instance).spare) }) else { return 0 };
    let as_it_is = || {
        // SAFETY: passed on as it came.
        unsafe { theirs(plugin, process) }
    };
    if process.is_null() {
        return as_it_is();
    }
    // SAFETY: valid for the call.
    let block = unsafe { &*process };
    let Some(mut buses) = spare.buses() else { return as_it_is() };
    if block.audio_outputs.is_null() || block.audio_outputs_count == 0 || block.frames_count as usize > buses.samples {
        return as_it_is();
    }
    // SAFETY: the host says how many there are.
    let given = unsafe { std::slice::from_raw_parts(block.audio_outputs.cast_const(), block.audio_outputs_count as usize) };
    let super::Buses { buses, clap, .. } = &mut *buses;
    for (index, (own, bus)) in clap.iter_mut().zip(buses).enumerate() {
        let host = given.get(index);
        let (data32, count) = host.map_or((std::ptr::null_mut(), 0), |host| (host.data32, host.channel_count as usize));
        // SAFETY: the host says how many channels there are.
        let data32 = unsafe { bus.connected(data32, count) };
        *own = clap_audio_buffer {
            data32,
            data64: std::ptr::null_mut(),
            channel_count: bus.scratch.len() as u32,
            latency: host.map_or(0, |host| host.latency),
            constant_mask: 0,
        };
    }
    let whole = clap_process { audio_outputs: clap.as_mut_ptr(), audio_outputs_count: clap.len() as u32, ..*block };
    // SAFETY: as the host's, with all outputs there.
    unsafe { theirs(plugin, &raw const whole) }
}
