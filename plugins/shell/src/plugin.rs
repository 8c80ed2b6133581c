//! The plugin as nice-plug sees it: a thin layer over [`Core`].

use crate::core::Core;
use crate::editor::ShellEditor;
use crate::outputs::Spare;
use crate::product::Product;
use crate::state;
use dsp_core::processor::Observer;
use nice_plug::prelude::*;
use std::num::NonZeroU32;
use std::sync::Arc;

/// Vendor that hosts show.
pub const VENDOR: &str = "Plainsong";
/// Seconds for which an engine may still sound after its latency: the longest release.
const TAIL_SECONDS: f32 = 0.5;

/// Most outputs beside the main one.
pub const MOST_OUTPUTS: usize = 4;

/// Stereo and mono, and nothing beside the main buses: an input beside the main one would crash in VST3
/// (defect 3 of nice-plug 0.4.2).
pub const LAYOUTS: &[AudioIOLayout] = &[layout(2), layout(1)];

/// Main buses of so many channels. The input has no name of its own, because it would also become the
/// output's (defect 1 of nice-plug 0.4.2).
pub const fn layout(channels: u32) -> AudioIOLayout {
    AudioIOLayout {
        main_input_channels: NonZeroU32::new(channels),
        main_output_channels: NonZeroU32::new(channels),
        ..AudioIOLayout::const_default()
    }
}

/// A [`Product`] as a plugin. One with outputs beside the main one is exported by
/// [`export`](crate::export).
pub struct Shell<P: Product> {
    core: Core<P::Engine>,
    rate: f32,
    /// For outputs that the host does not connect; none where there is one output alone.
    spare: Option<Arc<Spare>>,
}

impl<P: Product> Default for Shell<P> {
    fn default() -> Self {
        let core = Core::hiding(P::HIDDEN);
        core.params().persist(|state| state.size = P::SIZE);
        let more = P::LAYOUTS.iter().any(|layout| !layout.aux_output_ports.is_empty());
        Self { core, rate: 0.0, spare: more.then(Spare::offered) }
    }
}

impl<P: Product> std::fmt::Debug for Shell<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct(P::NAME).field("core", &self.core).finish()
    }
}

impl<P: Product> Plugin for Shell<P> {
    const NAME: &'static str = P::NAME;
    const VENDOR: &'static str = VENDOR;
    const URL: &'static str = "";
    const EMAIL: &'static str = "";
    const VERSION: &'static str = P::VERSION;
    const AUDIO_IO_LAYOUTS: &'static [AudioIOLayout] = P::LAYOUTS;
    // Frames are longer than most blocks: cutting blocks at automation points would cost and gain nothing.
    const SAMPLE_ACCURATE_AUTOMATION: bool = false;

    type Editor = ShellEditor<P>;
    type SysExMessage = ();
    type BackgroundTask = ();

    fn params(&self) -> Arc<dyn Params> {
        self.core.params().clone()
    }

    fn editor(&mut self, _: AsyncExecutor<Self>) -> Option<ShellEditor<P>> {
        Some(ShellEditor::new(self.core.params().clone(), self.core.live().clone()))
    }

    fn filter_state(state: &mut PluginState) {
        P::migrate(state);
        state::sanitize(<<P::Engine as dsp_core::processor::Processor>::Settings as dsp_core::params::FromValues>::PARAMS, state);
    }

    fn activate(&mut self, layout: &AudioIOLayout, config: &BufferConfig, context: &mut impl ActivateContext<Self>) -> bool {
        let channels = layout.main_output_channels.map_or(0, NonZeroU32::get) as usize;
        self.rate = config.sample_rate;
        if let Some(spare) = &self.spare {
            let others = layout.aux_output_ports.iter().map(|count| count.get() as usize);
            spare.prepare(&std::iter::once(channels).chain(others).collect::<Vec<_>>(), config.max_buffer_size as usize);
        }
        // What VST3 says here is one change old (defect 5 of nice-plug 0.4.2): it decides only whether to
        // wait long or short for models, and `Pace` finds out the rest.
        let offline = config.process_mode == ProcessMode::Offline;
        match self.core.activate(config.sample_rate, channels, offline) {
            Some(latency) => {
                context.set_latency_samples(latency as u32);
                true
            }
            None => false,
        }
    }

    fn reset(&mut self) {
        self.core.reset();
    }

    fn process(&mut self, buffer: &mut Buffer, aux: &mut AuxiliaryBuffers, context: &mut impl ProcessContext<Self>) -> ProcessStatus {
        let count = aux.outputs.len().min(MOST_OUTPUTS);
        let mut others = aux.outputs.iter_mut().map(|output| output.as_slice());
        let mut outputs: [&mut [&mut [f32]]; MOST_OUTPUTS] = std::array::from_fn(|_| others.next().unwrap_or_default());
        let run = |engine: &mut P::Engine, audio: &mut [&mut [f32]], settings: &_, observer: &mut dyn Observer| {
            P::process(engine, audio, &mut outputs[..count], settings, observer);
        };
        if let Some(latency) = self.core.process_with(buffer.as_slice(), run) {
            // Only when the user changes to another mode.
            if context.plugin_api() == PluginApi::Clap {
                // A latency set here would reach the host outside of `activate`, which CLAP forbids (defect 6 of
                // nice-plug 0.4.2). A restart leads to `activate`, which sets it.
                context.request_restart();
            } else {
                // The wrapper puts a task into a bounded queue, and the host asks for the latency again.
                context.set_latency_samples(latency as u32);
            }
        }
        ProcessStatus::Tail(self.core.latency() as u32 + (TAIL_SECONDS * self.rate) as u32)
    }
}

impl<P: Product> ClapPlugin for Shell<P> {
    const CLAP_ID: &'static str = P::CLAP_ID;
    const CLAP_DESCRIPTION: Option<&'static str> = Some(P::DESCRIPTION);
    const CLAP_MANUAL_URL: Option<&'static str> = None;
    const CLAP_SUPPORT_URL: Option<&'static str> = None;
    const CLAP_FEATURES: &'static [ClapFeature] = P::CLAP_FEATURES;
}

impl<P: Product> Vst3Plugin for Shell<P> {
    const VST3_CLASS_ID: [u8; 16] = P::VST3_CLASS_ID;
    const VST3_SUBCATEGORIES: &'static [Vst3SubCategory] = P::VST3_SUBCATEGORIES;
}
