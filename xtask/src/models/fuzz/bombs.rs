//! Models made by hand to do harm.

use super::wire::{Kind, Message};
use std::path::Path;

/// Values in and out of the small graphs here.
const SIZE: u64 = 8;
/// Links of a chain.
const CHAIN: usize = 100_000;
/// Doublings: 2^60 values.
const DOUBLINGS: usize = 60;

/// An operator that our own runtime does not have and tract does.
const STRANGE: &str = "Sinh";

/// A name, a manifest and an ONNX file.
pub type Bomb = (&'static str, String, Vec<u8>);

fn info(name: &str, dims: &[u64]) -> Message {
    let shape = dims.iter().fold(Message::new(Kind::Shape), |shape, &dim| shape.message(1, Message::new(Kind::Dimension).number(1, dim)));
    let tensor = Message::new(Kind::TensorType).number(1, 1).message(2, shape);
    Message::new(Kind::Info).text(1, name).message(2, Message::new(Kind::Type).message(1, tensor))
}

fn node(kind: &str, inputs: &[&str], output: &str) -> Message {
    let node = inputs.iter().fold(Message::new(Kind::Node), |node, input| node.text(1, input));
    node.text(2, output).text(4, kind)
}

fn ints(name: &str, values: &[i64]) -> Message {
    let raw: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    Message::new(Kind::Tensor).number(1, values.len() as u64).number(2, 7).text(8, name).bytes(9, &raw)
}

fn int(name: &str, value: i64) -> Message {
    Message::new(Kind::Attribute).text(1, name).number(3, value as u64).number(20, 2)
}

fn list(name: &str, values: &[i64]) -> Message {
    let attribute = Message::new(Kind::Attribute).text(1, name);
    values.iter().fold(attribute, |attribute, &value| attribute.number(8, value as u64)).number(20, 7)
}

/// A file of nodes and constants, from `x` to `y`.
fn file(nodes: Vec<Message>, constants: Vec<Message>) -> Vec<u8> {
    let mut graph = Message::new(Kind::Graph);
    for node in nodes {
        graph = graph.message(1, node);
    }
    for constant in constants {
        graph = graph.message(5, constant);
    }
    let graph = graph.message(11, info("x", &[1, SIZE])).message(12, info("y", &[1, SIZE]));
    Message::new(Kind::Model).number(1, 8).message(7, graph).message(8, Message::new(Kind::Opset).number(2, 17)).write()
}

fn manifest(more: &str) -> String {
    let head =
        "id = \"bomb\"\nname = \"Bomb\"\nversion = \"1\"\ntask = \"denoise\"\nauthors = \"a\"\nlicense = \"MIT\"\nfile = \"model.onnx\"\n";
    // A frame that is well described, so that the graph is reached: a window of 14 samples has 8 bins.
    let frame = "[frame]\nwindow = 14\nhop = 7\nanalysis = \"sqrt-hann\"\nsynthesis = \"sqrt-hann\"\n";
    format!(
        "{head}sha256 = \"0\"\nrate = 48000\n\n{frame}\n{more}\n[[inputs]]\nname = \"x\"\nshape = [1, {SIZE}]\nholds = {{ magnitudes = 1.0 }}\n\n\
         [[outputs]]\nname = \"y\"\nshape = [1, {SIZE}]\nholds = \"gains\"\n"
    )
}

/// All of them.
pub fn all() -> Vec<Bomb> {
    let relu = || node("Relu", &["x"], "y");
    let plain = || manifest("");
    let huge = |dims: &[u64], kind: u64| {
        let tensor = dims.iter().fold(Message::new(Kind::Tensor), |tensor, &dim| tensor.number(1, dim));
        tensor.number(2, kind).text(8, "c")
    };
    let chain = |kind: &str, first: &str| {
        let names: Vec<String> = (0..CHAIN).map(|index| format!("t{index}")).collect();
        let mut before = first.to_owned();
        let mut nodes = Vec::with_capacity(CHAIN + 1);
        for name in names {
            nodes.push(node(kind, &[&before], &name));
            before = name;
        }
        nodes.push(node("Relu", &[&before], "y"));
        nodes
    };
    let doubled = |make: &dyn Fn(&str, &str) -> Message| {
        let mut before = "x".to_owned();
        let mut nodes = Vec::new();
        for index in 0..DOUBLINGS {
            let name = format!("t{index}");
            nodes.push(make(&before, &name));
            before = name;
        }
        nodes.push(node("ReduceSum", &[&before], "y"));
        nodes
    };
    let mut deep = file(vec![relu()], vec![]);
    for _ in 0..200 {
        let attribute = Message::new(Kind::Attribute).text(1, "body").bytes(6, &deep).number(20, 5);
        deep = file(vec![node("Loop", &["x"], "y").message(5, attribute)], vec![]);
    }
    let external = |path: &str| {
        let mut entry = Message::new(Kind::Opset).text(1, "location").text(2, path).write();
        entry.shrink_to_fit();
        let tensor = Message::new(Kind::Tensor).number(1, SIZE).number(2, 1).text(8, "c").bytes(13, &entry).number(14, 1);
        file(vec![node("Add", &["x", "c"], "y")], vec![tensor])
    };
    let product = {
        // Constants of 16 million values each from a few bytes, and products of them, computed while planning.
        let shape = ints("s", &[4_096, 4_096]);
        let mut nodes = vec![node("ConstantOfShape", &["s"], "a")];
        let mut before = "a".to_owned();
        for index in 0..40 {
            let name = format!("m{index}");
            nodes.push(node("MatMul", &[&before, "a"], &name));
            before = name;
        }
        nodes.push(node("ReduceSum", &[&before], "r"));
        nodes.push(node("Add", &["x", "r"], "y"));
        file(nodes, vec![shape])
    };
    let folded = {
        // Many large constants: little each, a lot together.
        let shape = ints("s", &[1 << 24]);
        let mut nodes = Vec::new();
        for index in 0..200 {
            nodes.push(node("ConstantOfShape", &["s"], &format!("c{index}")));
        }
        nodes.push(relu());
        file(nodes, vec![shape])
    };
    let shaped = |kind: &str, values: &[i64]| file(vec![node(kind, &["x", "s"], "t"), relu()], vec![ints("s", values)]);
    let convolution = |attributes: &[Message]| {
        let conv = attributes.iter().fold(node("Conv", &["r", "w"], "t"), |node, attribute| node.message(5, attribute.clone()));
        let weights = Message::new(Kind::Tensor).number(1, 1).number(1, 1).number(1, 2).number(2, 1).text(8, "w").bytes(9, &[0; 8]);
        file(vec![node("Reshape", &["x", "s"], "r"), conv, relu()], vec![ints("s", &[1, 1, 8]), weights])
    };
    let gru = |hidden: i64| {
        let w = Message::new(Kind::Tensor).number(1, 1).number(1, 3).number(1, SIZE).number(2, 1).text(8, "w").bytes(9, &[0; 96]);
        let r = Message::new(Kind::Tensor).number(1, 1).number(1, 3).number(1, 1).number(2, 1).text(8, "r").bytes(9, &[0; 12]);
        let gru = node("GRU", &["i", "w", "r"], "t").message(5, int("hidden_size", hidden));
        file(vec![node("Reshape", &["x", "s"], "i"), gru, relu()], vec![ints("s", &[1, 1, 8]), w, r])
    };
    let many = (0..30_000).map(|index| format!("\n[[states]]\nname = \"s{index}\"\nshape = [1]\n")).collect::<String>();
    let mut bombs = vec![
        ("a constant of 2^80 values", plain(), file(vec![relu()], vec![huge(&[1 << 40, 1 << 40], 1)])),
        ("a constant of 2^62 values", plain(), file(vec![relu()], vec![huge(&[1 << 62], 1)])),
        ("a constant of dimension -1", plain(), file(vec![relu()], vec![huge(&[u64::MAX], 1)])),
        ("a constant of no known type", plain(), file(vec![relu()], vec![huge(&[1], 99)])),
        ("a constant without values", plain(), file(vec![node("Add", &["x", "c"], "y")], vec![huge(&[0], 1)])),
        ("a chain of a hundred thousand", plain(), file(chain("Relu", "x"), vec![])),
        ("a chain that nothing computes", plain(), file(chain("Identity", "nowhere"), vec![])),
        ("a chain of reshapes", plain(), file(chain("Identity", "x"), vec![])),
        ("a node that reads itself", plain(), file(vec![node("Add", &["x", "y"], "y")], vec![])),
        ("two nodes that read each other", plain(), file(vec![node("Relu", &["b"], "a"), node("Relu", &["a"], "b"), relu()], vec![])),
        ("a name that is given twice", plain(), file(vec![relu(), relu(), node("Neg", &["y"], "y")], vec![])),
        ("tensors that double", plain(), file(doubled(&|from, to| node("Concat", &[from, from], to).message(5, int("axis", 1))), vec![])),
        ("tiles that double", plain(), file(doubled(&|from, to| node("Tile", &[from, "s"], to)), vec![ints("s", &[2, 2])])),
        ("two hundred graphs in each other", plain(), deep),
        ("constants in another file", plain(), external("weights.bin")),
        ("constants in a file outside", plain(), external("../../../../../../etc/passwd")),
        ("constants in a device", plain(), external("/dev/zero")),
        ("products while planning", plain(), product),
        ("constants made while planning", plain(), folded),
        ("expanded to 2^40 values", plain(), shaped("Expand", &[1 << 20, 1 << 20, 8])),
        ("reshaped to nothing", plain(), shaped("Reshape", &[0, 0, -1])),
        ("reshaped to what does not divide", plain(), shaped("Reshape", &[-1, 3])),
        ("reshaped by two unknowns", plain(), shaped("Reshape", &[-1, -1])),
        ("reshaped to the largest numbers", plain(), shaped("Reshape", &[i64::MAX, i64::MAX])),
        ("padded by the largest numbers", plain(), shaped("Pad", &[i64::MAX, 0, i64::MAX, 0])),
        ("padded by less than there is", plain(), shaped("Pad", &[0, -100, 0, -100])),
        ("gathered from outside", plain(), shaped("Gather", &[i64::MAX, -100])),
        ("split into nothing", plain(), shaped("Split", &[0, 0])),
        ("split into more than there is", plain(), shaped("Split", &[i64::MAX, i64::MAX])),
        ("made one dimension longer, far away", plain(), shaped("Unsqueeze", &[i64::MAX])),
        ("made one dimension shorter, far away", plain(), shaped("Squeeze", &[i64::MIN])),
        ("summed over what is not there", plain(), shaped("ReduceSum", &[i64::MIN, 99])),
        ("a convolution of stride 0", plain(), convolution(&[list("strides", &[0])])),
        ("a convolution of stride -1", plain(), convolution(&[list("strides", &[-1])])),
        ("a convolution of dilation 2^62", plain(), convolution(&[list("dilations", &[1 << 62])])),
        ("a convolution of 0 groups", plain(), convolution(&[int("group", 0)])),
        ("a convolution of 2^40 groups", plain(), convolution(&[int("group", 1 << 40)])),
        ("a convolution padded by 2^40", plain(), convolution(&[list("pads", &[1 << 40, 1 << 40])])),
        ("a convolution with pads of minus 2^40", plain(), convolution(&[list("pads", &[-(1 << 40), 0])])),
        ("a recurrence of 2^40 units", plain(), gru(1 << 40)),
        ("a recurrence of -1 units", plain(), gru(-1)),
        ("a recurrence of 0 units", plain(), gru(0)),
        ("no graph", plain(), vec![]),
        ("no model", plain(), b"this is a text".to_vec()),
        ("states of 2^40 values", manifest("[[states]]\nname = \"h\"\nshape = [1099511627776]\n"), file(vec![relu()], vec![])),
        ("thirty thousand states", format!("{}{many}", plain()), file(vec![relu()], vec![])),
        ("a file outside", plain().replace("model.onnx", "../../../../etc/passwd"), file(vec![relu()], vec![])),
        ("a device as file", plain().replace("model.onnx", "/dev/zero"), file(vec![relu()], vec![])),
        ("a manifest of brackets", "[".repeat(200_000), vec![]),
        ("a manifest of nested lists", format!("x = {}{}", "[".repeat(50_000), "]".repeat(50_000)), vec![]),
        ("a manifest of nested tables", format!("x = {}", "{a=".repeat(50_000)), vec![]),
        ("a manifest of dots", format!("{} = 1", vec!["a"; 50_000].join(".")), vec![]),
    ];
    let mut slices = Vec::new();
    for (start, end, axis, step) in
        [(0, i64::MAX, 1, 0), (0, i64::MAX, 1, i64::MIN), (i64::MIN, i64::MAX, 9, 1), (5, 2, 1, 1), (7, i64::MIN, 1, -1)]
    {
        let constants = vec![ints("a", &[start]), ints("b", &[end]), ints("c", &[axis]), ints("d", &[step])];
        slices.push(file(vec![node("Slice", &["x", "a", "b", "c", "d"], "t"), relu()], constants));
    }
    bombs.extend(slices.into_iter().map(|file| ("a slice that makes no sense", plain(), file)));
    // The same once more for the general runtime: with an operator in front that ours does not have. Messages that
    // follow each other are one.
    let strange = Message::new(Kind::Model).message(7, Message::new(Kind::Graph).message(1, node(STRANGE, &["x"], "strange"))).write();
    let again = bombs.iter().filter(|(_, _, file)| !file.is_empty()).cloned().collect::<Vec<_>>();
    bombs.extend(again.into_iter().map(|(name, text, file)| (name, text, [strange.clone(), file].concat())));
    bombs.push(("an operator for the general runtime alone", plain(), [strange, file(vec![relu()], vec![])].concat()));
    bombs
}

/// Folders that no manifest and no file describes: links, pipes and folders where files should be.
///
/// # Errors
/// When they cannot be made.
#[cfg(unix)]
pub fn trap(folder: &Path, which: usize) -> std::io::Result<bool> {
    let model = folder.join("model.onnx");
    let text = folder.join("manifest.toml");
    std::fs::write(&text, manifest(""))?;
    match which {
        0 => std::os::unix::fs::symlink("/dev/zero", model)?,
        1 => std::fs::create_dir(model)?,
        2 => std::os::unix::fs::symlink("model.onnx", model)?,
        3 => {
            // A pipe into which nobody writes.
            rustix::fs::mkfifoat(rustix::fs::CWD, &model, rustix::fs::Mode::RWXU)?;
        }
        4 => {
            std::fs::remove_file(&text)?;
            std::os::unix::fs::symlink("/dev/zero", text)?;
        }
        5 => std::fs::File::create(model)?.set_len(1 << 40)?,
        _ => return Ok(false),
    }
    Ok(true)
}

/// As on Unix: elsewhere there are no such things.
///
/// # Errors
/// Never.
#[cfg(not(unix))]
pub fn trap(_: &Path, _: usize) -> std::io::Result<bool> {
    Ok(false)
}
