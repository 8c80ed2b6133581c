//! The editor in a window, under any X server: opened and closed fifty times, resized, and seen to
//! paint. `cargo xtask test` starts the server; by hand:
//! `xvfb-run -a cargo test --release --workspace --test editor`.

use clack_extensions::gui::{GuiApiType, GuiConfiguration, GuiSize, Window};
use plainsong_tests::clap::{Bundle, Plugin};
use plainsong_tests::engine::Blocks;
use plainsong_tests::subject::Subject;
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use x11rb::connection::Connection;
use x11rb::protocol::xproto::{ConnectionExt, CreateWindowAux, ImageFormat, WindowClass};
use x11rb::rust_connection::RustConnection;

/// What an editor takes to paint its first frame on a software renderer, at most.
const FIRST_FRAME: Duration = Duration::from_secs(10);

/// What a closed window's thread may take to end, at most.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Keeps one connection open for the whole run, as a host has: a bare X server starts anew when its
/// last client leaves, and refuses the next one meanwhile.
fn stay_connected() {
    static KEPT: OnceLock<Option<RustConnection>> = OnceLock::new();
    KEPT.get_or_init(|| x11rb::connect(None).ok().map(|(connection, _)| connection));
}

/// A parent window, as a host makes one.
struct Parent {
    connection: RustConnection,
    window: u32,
}

impl Parent {
    fn new() -> Self {
        stay_connected();
        let (connection, screen) = x11rb::connect(None).expect("an X server: run under `xvfb-run -a`, or set DISPLAY (package xvfb)");
        let root = connection.setup().roots[screen].root;
        let window = connection.generate_id().expect("a window id");
        connection
            .create_window(
                x11rb::COPY_DEPTH_FROM_PARENT,
                window,
                root,
                0,
                0,
                1600,
                1200,
                0,
                WindowClass::INPUT_OUTPUT,
                0,
                &CreateWindowAux::new().background_pixel(0x0030_3030),
            )
            .expect("a window");
        connection.map_window(window).expect("mapped");
        connection.sync_now();
        Self { connection, window }
    }

    /// Number of different colours in a part of the window; 0 when it cannot be read yet.
    fn colours(&self, size: GuiSize) -> usize {
        let (width, height) = (size.width.min(1600) as u16, size.height.min(1200) as u16);
        let image =
            self.connection.get_image(ImageFormat::Z_PIXMAP, self.window, 0, 0, width, height, !0).ok().and_then(|c| c.reply().ok());
        image.map_or(0, |image| image.data.chunks_exact(4).map(|p| [p[0], p[1], p[2]]).collect::<std::collections::HashSet<_>>().len())
    }
}

/// Waits for the server to have seen everything.
trait Sync {
    fn sync_now(&self);
}

impl Sync for RustConnection {
    fn sync_now(&self) {
        self.get_input_focus().expect("a request").reply().expect("a reply");
    }
}

impl Drop for Parent {
    fn drop(&mut self) {
        let _ = self.connection.destroy_window(self.window);
        self.connection.sync_now();
    }
}

const CONFIGURATION: GuiConfiguration<'static> = GuiConfiguration { api_type: GuiApiType::X11, is_floating: false };

/// Opens the editor in a parent and returns its size.
fn open(plugin: &mut Plugin, parent: &Parent) -> GuiSize {
    let gui = plugin.gui().expect("the plugin has an editor");
    let handle = plugin.handle();
    assert!(gui.is_api_supported(&handle, CONFIGURATION), "X11 is supported");
    gui.create(&handle, CONFIGURATION).expect("created");
    let size = gui.get_size(&handle).expect("a size");
    // SAFETY: the parent window lives until the editor is destroyed, which every caller does first.
    unsafe { gui.set_parent(&handle, Window::from_x11_handle(std::ffi::c_ulong::from(parent.window))) }.expect("embedded");
    // Showing is optional: an embedded editor may show itself.
    let _ = gui.show(&handle);
    size
}

fn close(plugin: &mut Plugin) {
    let gui = plugin.gui().expect("the plugin has an editor");
    let before = threads();
    gui.destroy(&plugin.handle());
    plugin.idle();
    // The window's own thread goes on a little: a process that ends meanwhile takes the display's libraries away under it.
    let start = Instant::now();
    while threads() >= before && start.elapsed() < LAST_WORDS {
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Threads of this process; 0 where that cannot be told.
fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").map_or(0, Iterator::count)
}

/// Waits until the editor has painted something: more colours than a plain background has.
fn wait_for_picture(plugin: &mut Plugin, parent: &Parent, size: GuiSize) -> usize {
    let start = Instant::now();
    loop {
        let colours = parent.colours(size);
        if colours > 20 || start.elapsed() > FIRST_FRAME {
            return colours;
        }
        plugin.idle();
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn it_paints_while_audio_runs<S: Subject>() {
    let bundle = Bundle::of::<S>();
    let mut plugin = Plugin::new(&bundle);
    plugin.activate(48_000.0, 512);
    let parent = Parent::new();
    let size = open(&mut plugin, &parent);
    assert!(size.width >= 300 && size.height >= 200, "{} x {}", size.width, size.height);
    let colours = wait_for_picture(&mut plugin, &parent, size);
    assert!(colours > 20, "after ten seconds the editor shows {colours} colours: it does not paint");
    let input = S::sound(48_000.0, 2.0, 2, 1);
    let out = plugin.run(&input, Blocks::Of(512), 512);
    assert!(out.iter().flatten().all(|x| x.is_finite()));
    close(&mut plugin);
}

fn it_opens_and_closes_fifty_times<S: Subject>() {
    let bundle = Bundle::of::<S>();
    let mut plugin = Plugin::new(&bundle);
    plugin.activate(48_000.0, 512);
    let threads = || std::fs::read_dir("/proc/self/task").map_or(0, Iterator::count);
    let mut after_five = 0;
    let mut seen = 0;
    for round in 0..50 {
        let parent = Parent::new();
        let size = open(&mut plugin, &parent);
        // Closed at once, while it opens, and after it has painted.
        match round % 3 {
            0 => {}
            1 => std::thread::sleep(Duration::from_millis(30)),
            _ => seen += usize::from(wait_for_picture(&mut plugin, &parent, size) > 20),
        }
        close(&mut plugin);
        if round == 5 {
            std::thread::sleep(Duration::from_millis(500));
            after_five = threads();
        }
    }
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(seen, 16, "it painted in {seen} of the 16 rounds that waited for it");
    assert!(threads() <= after_five + 2, "{after_five} threads after five rounds, {} after fifty", threads());
}

fn two_instances_have_editors_at_the_same_time<S: Subject>() {
    let bundle = Bundle::of::<S>();
    let mut plugins = [Plugin::new(&bundle), Plugin::new(&bundle)];
    let parents = [Parent::new(), Parent::new()];
    let sizes: Vec<GuiSize> = plugins.iter_mut().zip(&parents).map(|(plugin, parent)| open(plugin, parent)).collect();
    // The window on top is the last one; it hides the other, which must not mind.
    assert!(wait_for_picture(&mut plugins[1], &parents[1], sizes[1]) > 20);
    for plugin in &mut plugins {
        close(plugin);
    }
}

plainsong_tests::for_subjects!(it_paints_while_audio_runs, it_opens_and_closes_fifty_times, two_instances_have_editors_at_the_same_time);
