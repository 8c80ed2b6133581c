//! The window as nice-plug sees it.

use super::frame;
use super::panel::Panel;
use crate::live::Live;
use crate::params::TableParams;
use crate::persist::{MAX_SIZE, MIN_SIZE};
use crate::product::Product;
use crate::theme;
use atomic_float::AtomicF64;
use nice_plug::context::gui::GuiContext;
use nice_plug::editor::dpi::{LogicalSize, NativeSize};
use nice_plug::editor::{Editor, HostMethods, ParentWindowHandle, ResizeHint, SpawnedEditor};
use nice_plug_egui::baseview::{HandlerError, WindowSize};
use nice_plug_egui::{EguiEditor, EguiEditorHandle, EguiEditorState, EguiNiceSettings, Frame, NiceEguiApp, create_egui_editor};
use parking_lot::Mutex;
use std::error::Error;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// The editor of a product.
///
/// nice-plug-egui 0.6 cannot put a saved size and zoom into an editor that exists, and its size
/// leaves the zoom out (with defect 8 of nice-plug 0.4.2: the size is not persisted). So each window
/// is opened by an editor made for it, from what the state says; what must outlive the window is in
/// [`Panel`].
pub struct ShellEditor<P: Product> {
    params: Arc<TableParams>,
    panel: Arc<Mutex<Panel>>,
    live: Arc<Live>,
    /// The screen's scale factor, once a window has told it.
    scale: Arc<AtomicF64>,
    product: PhantomData<fn() -> P>,
}

impl<P: Product> std::fmt::Debug for ShellEditor<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ShellEditor").field("name", &P::NAME).finish_non_exhaustive()
    }
}

impl<P: Product> ShellEditor<P> {
    /// The editor of an instance.
    pub fn new(params: Arc<TableParams>, live: Arc<Live>) -> Self {
        let panel = Arc::new(Mutex::new(Panel::new::<P>(params.clone(), live.clone())));
        Self { params, panel, live, scale: Arc::new(AtomicF64::new(1.0)), product: PhantomData }
    }

    fn window(&self) -> Option<EguiEditor<App<P>>> {
        let state = self.params.persisted();
        let size = LogicalSize::new(f64::from(state.size.0), f64::from(state.size.1));
        let app = App::<P> { params: self.params.clone(), panel: self.panel.clone(), scale: self.scale.clone(), product: PhantomData };
        let settings = EguiNiceSettings::new().with_tile(P::NAME).with_resize_hint(self.resize_hint());
        create_egui_editor(EguiEditorState::from_size(size, state.zoom), self.live.repaint.clone(), settings, app)
    }
}

impl<P: Product> Editor for ShellEditor<P> {
    type Handle = EguiEditorHandle;

    fn spawn(
        &self,
        parent: Option<ParentWindowHandle>,
        wait_for_parent: bool,
        fallback_scale_factor: Option<f64>,
        gui_context: GuiContext,
        host: Option<HostMethods>,
    ) -> Result<SpawnedEditor<Self::Handle>, Box<dyn Error>> {
        stay_loaded();
        let window = self.window().ok_or("the editor could not be made")?;
        window.spawn(parent, wait_for_parent, fallback_scale_factor, gui_context, host)
    }

    fn size(&self) -> NativeSize<u32> {
        let state = self.params.persisted();
        let size = LogicalSize::new(f64::from(state.size.0 * state.zoom), f64::from(state.size.1 * state.zoom));
        NativeSize::from_size(size.into(), self.scale.load(Ordering::Relaxed))
    }

    fn resize_hint(&self) -> ResizeHint {
        let zoom = self.params.persisted().zoom.min(1.0);
        let min = LogicalSize::new(MIN_SIZE.0 * zoom, MIN_SIZE.1 * zoom);
        ResizeHint::RESIZABLE.with_min_logical_size(min)
    }

    unsafe fn assume_standalone_in_process(&self) {
        if let Some(window) = self.window() {
            // SAFETY: the caller's promise is passed on.
            unsafe { window.assume_standalone_in_process() };
        }
    }
}

/// What draws in one window.
struct App<P: Product> {
    params: Arc<TableParams>,
    panel: Arc<Mutex<Panel>>,
    scale: Arc<AtomicF64>,
    product: PhantomData<fn() -> P>,
}

impl<P: Product> NiceEguiApp for App<P> {
    fn build(&mut self, egui_ctx: egui::Context, nice_gui_ctx: GuiContext, _: &mut Frame) -> Result<(), HandlerError> {
        theme::apply(&egui_ctx);
        self.panel.lock().opened(nice_gui_ctx);
        Ok(())
    }

    fn ui(&mut self, ui: &mut egui::Ui, _: &mut Frame) {
        frame::show::<P>(ui, &mut self.panel.lock());
    }

    fn resized(&mut self, new_size: WindowSize) {
        let state = self.params.persisted();
        self.scale.store(new_size.scale_factor / f64::from(state.zoom), Ordering::Relaxed);
        let (width, height) = (new_size.logical.width as f32, new_size.logical.height as f32);
        if width >= 1.0 && height >= 1.0 {
            let size = (width.clamp(MIN_SIZE.0, MAX_SIZE.0), height.clamp(MIN_SIZE.1, MAX_SIZE.1));
            self.params.persist(|state| state.size = size);
        }
    }

    fn zoom_factor_changed(&mut self, zoom_factor: f32) {
        self.params.persist(|state| state.zoom = zoom_factor);
    }
}

/// Keeps this library in memory until the process ends. A window's thread closes its connection to the display after
/// the host was told that the editor is gone; a host that unloads the plugin then would take the code away under it.
#[cfg(target_os = "linux")]
fn stay_loaded() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let mut info = std::mem::MaybeUninit::<libc::Dl_info>::zeroed();
        // SAFETY: the address is one of this library's code, and `info` is read only when it was filled. The library is
        // loaded already, so opening it anew runs nothing; its handle is never closed.
        unsafe {
            if libc::dladdr(stay_loaded as fn() as *const libc::c_void, info.as_mut_ptr()) != 0 {
                libc::dlopen(info.assume_init().dli_fname, libc::RTLD_NOW | libc::RTLD_NOLOAD | libc::RTLD_NODELETE);
            }
        }
    });
}

/// Elsewhere the window lives on the host's own thread.
#[cfg(not(target_os = "linux"))]
fn stay_loaded() {}
