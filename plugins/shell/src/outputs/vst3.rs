//! The VST3 factory of a library with several plugins.

use super::Spare;
use ::vst3::Steinberg::Vst::{AudioBusBuffers, AudioBusBuffers__type0, IAudioProcessor, IAudioProcessorVtbl, ProcessData};
use ::vst3::Steinberg::{
    FIDString, FUnknown, IPluginFactory, IPluginFactory2, IPluginFactory2Trait, IPluginFactory3, IPluginFactory3Trait, IPluginFactoryTrait,
    PClassInfo, PClassInfo2, PClassInfoW, PFactoryInfo, TUID, int32, kInvalidArgument, kResultOk, tresult,
};
use ::vst3::{Class, ComWrapper};
use nice_plug::prelude::Vst3Plugin;
use nice_plug::wrapper::vst3::{PluginInfo, Wrapper};
use std::ffi::c_void;
use std::sync::Arc;

/// One plugin of the library.
#[derive(Debug)]
pub struct Exported {
    info: PluginInfo,
    create: unsafe fn(FIDString, *mut *mut c_void) -> tresult,
}

impl Exported {
    /// Of a plugin.
    pub fn of<P: Vst3Plugin>() -> Self {
        Self { info: PluginInfo::for_plugin::<P>(), create: instance::<P> }
    }
}

/// The library's plugins.
#[derive(Debug)]
pub struct Factory(Vec<Exported>);

impl Class for Factory {
    type Interfaces = (IPluginFactory, IPluginFactory2, IPluginFactory3);
}

impl Factory {
    /// Of some plugins; at least one.
    pub fn new(plugins: Vec<Exported>) -> Self {
        Self(plugins)
    }

    /// As the host takes it, which then owns it.
    pub fn into_raw(self) -> *mut c_void {
        ComWrapper::new(self).to_com_ptr::<IPluginFactory>().map_or(std::ptr::null_mut(), |factory| factory.into_raw().cast())
    }

    /// Writes what is asked about a plugin.
    ///
    /// # Safety
    /// `to` is null or can be written.
    unsafe fn tell<T>(&self, index: int32, to: *mut T, info: impl FnOnce(&PluginInfo) -> T) -> tresult {
        let plugin = usize::try_from(index).ok().and_then(|index| self.0.get(index));
        match plugin {
            Some(plugin) if !to.is_null() => {
                // SAFETY: as promised.
                unsafe { to.write(info(&plugin.info)) };
                kResultOk
            }
            _ => kInvalidArgument,
        }
    }
}

impl IPluginFactoryTrait for Factory {
    unsafe fn getFactoryInfo(&self, info: *mut PFactoryInfo) -> tresult {
        // SAFETY: the host gives a place, or null.
        unsafe { self.tell(0, info, PluginInfo::create_factory_info) }
    }

    unsafe fn countClasses(&self) -> int32 {
        self.0.len() as int32
    }

    unsafe fn getClassInfo(&self, index: int32, info: *mut PClassInfo) -> tresult {
        // SAFETY: as above.
        unsafe { self.tell(index, info, PluginInfo::create_class_info) }
    }

    unsafe fn createInstance(&self, cid: FIDString, iid: FIDString, obj: *mut *mut c_void) -> tresult {
        if cid.is_null() || iid.is_null() || obj.is_null() {
            return kInvalidArgument;
        }
        // SAFETY: a class id has 16 bytes.
        let wanted = unsafe { &*cid.cast::<[u8; 16]>() };
        match self.0.iter().find(|plugin| plugin.info.cid == wanted) {
            // SAFETY: both were checked.
            Some(plugin) => unsafe { (plugin.create)(iid, obj) },
            None => kInvalidArgument,
        }
    }
}

impl IPluginFactory2Trait for Factory {
    unsafe fn getClassInfo2(&self, index: int32, info: *mut PClassInfo2) -> tresult {
        // SAFETY: the host gives a place, or null.
        unsafe { self.tell(index, info, PluginInfo::create_class_info_2) }
    }
}

impl IPluginFactory3Trait for Factory {
    unsafe fn getClassInfoUnicode(&self, index: int32, info: *mut PClassInfoW) -> tresult {
        // SAFETY: as above.
        unsafe { self.tell(index, info, PluginInfo::create_class_info_unicode) }
    }

    unsafe fn setHostContext(&self, _: *mut FUnknown) -> tresult {
        kResultOk
    }
}

/// An instance's table of functions: nice-plug's, with another `process`.
#[repr(C)]
struct Table {
    /// First, so that a pointer to it is one to the whole.
    table: IAudioProcessorVtbl,
    process: unsafe extern "system" fn(*mut IAudioProcessor, *mut ProcessData) -> tresult,
    spare: *const Spare,
}

// SAFETY: it is written before the host has it and read only then. `spare` owns it, so it lives longer.
unsafe impl Send for Table {}
// SAFETY: as above.
unsafe impl Sync for Table {}

/// # Safety
/// `iid` points to an interface id and `obj` can be written.
unsafe fn instance<P: Vst3Plugin>(iid: FIDString, obj: *mut *mut c_void) -> tresult {
    // What an instance of another kind may have left.
    drop(Spare::of_newest());
    let wrapper = ComWrapper::new(Wrapper::<P>::new());
    if let (Some(spare), Some(processor)) = (Spare::of_newest(), wrapper.as_com_ref::<IAudioProcessor>()) {
        let processor = processor.as_ptr();
        // SAFETY: the object is new and nobody else has it. Its tables have what the interface says.
        let own = unsafe { *(*processor).vtbl };
        let of_ours = Table { table: IAudioProcessorVtbl { process, ..own }, process: own.process, spare: Arc::as_ptr(&spare) };
        if let Some(table) = spare.keep(of_ours) {
            // SAFETY: as above; the table lives as long as the plugin inside the object.
            unsafe { (*processor).vtbl = &raw const table.table };
        }
    }
    let Some(unknown) = wrapper.as_com_ref::<FUnknown>() else { return kInvalidArgument };
    let unknown = unknown.as_ptr();
    // SAFETY: the object lives until `wrapper` goes, and the host's own count begins here.
    unsafe { ((*(*unknown).vtbl).queryInterface)(unknown, iid.cast::<TUID>(), obj) }
}

unsafe extern "system" fn process(this: *mut IAudioProcessor, data: *mut ProcessData) -> tresult {
    // SAFETY: `instance` made this the table of the object.
    let (theirs, spare) = unsafe {
        let table = (*this).vtbl.cast::<Table>();
        ((*table).process, &*(*table).spare)
    };
    let as_it_is = || {
        // SAFETY: passed on as it came.
        unsafe { theirs(this, data) }
    };
    if data.is_null() {
        return as_it_is();
    }
    // SAFETY: valid for the call.
    let block = unsafe { &*data };
    let Some(mut buses) = spare.buses() else { return as_it_is() };
    // Without samples or outputs the host only sends values.
    let (samples, outputs) = (usize::try_from(block.numSamples).unwrap_or(0), usize::try_from(block.numOutputs).unwrap_or(0));
    if block.outputs.is_null() || outputs == 0 || samples == 0 || samples > buses.samples {
        return as_it_is();
    }
    // SAFETY: the host says how many there are.
    let given = unsafe { std::slice::from_raw_parts(block.outputs.cast_const(), outputs) };
    let super::Buses { buses, vst3, .. } = &mut *buses;
    for (index, (own, bus)) in vst3.iter_mut().zip(buses).enumerate() {
        // SAFETY: samples are of 32 bits, the only size that nice-plug agrees to.
        let channels =
            given.get(index).map_or((std::ptr::null_mut(), 0), |host| unsafe { (host.__field0.channelBuffers32, host.numChannels) });
        // SAFETY: the host says how many channels there are.
        let channel_buffers = unsafe { bus.connected(channels.0, usize::try_from(channels.1).unwrap_or(0)) };
        *own = AudioBusBuffers {
            numChannels: bus.scratch.len() as int32,
            silenceFlags: 0,
            __field0: AudioBusBuffers__type0 { channelBuffers32: channel_buffers },
        };
    }
    let mut whole = ProcessData { numOutputs: vst3.len() as int32, outputs: vst3.as_mut_ptr(), ..*block };
    // SAFETY: as the host's, with all outputs there.
    unsafe { theirs(this, &raw mut whole) }
}
