//! An ONNX file as a list of nodes: what this crate reads of the format (onnx.proto3 of ONNX 1.17, IR 8).

use prost::Message;

#[derive(Clone, PartialEq, Message)]
struct ModelProto {
    #[prost(message, optional, tag = "7")]
    graph: Option<GraphProto>,
    #[prost(message, repeated, tag = "8")]
    opset_import: Vec<OperatorSetProto>,
}

#[derive(Clone, PartialEq, Message)]
struct OperatorSetProto {
    #[prost(string, tag = "1")]
    domain: String,
    #[prost(int64, tag = "2")]
    version: i64,
}

#[derive(Clone, PartialEq, Message)]
struct GraphProto {
    #[prost(message, repeated, tag = "1")]
    node: Vec<NodeProto>,
    #[prost(message, repeated, tag = "5")]
    initializer: Vec<TensorProto>,
    #[prost(message, repeated, tag = "11")]
    input: Vec<ValueInfoProto>,
    #[prost(message, repeated, tag = "12")]
    output: Vec<ValueInfoProto>,
}

#[derive(Clone, PartialEq, Message)]
struct NodeProto {
    #[prost(string, repeated, tag = "1")]
    input: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    output: Vec<String>,
    #[prost(string, tag = "3")]
    name: String,
    #[prost(string, tag = "4")]
    op_type: String,
    #[prost(message, repeated, tag = "5")]
    attribute: Vec<AttributeProto>,
    #[prost(string, tag = "7")]
    domain: String,
}

#[derive(Clone, PartialEq, Message)]
struct AttributeProto {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(float, tag = "2")]
    f: f32,
    #[prost(int64, tag = "3")]
    i: i64,
    #[prost(bytes = "vec", tag = "4")]
    s: Vec<u8>,
    #[prost(message, optional, tag = "5")]
    t: Option<TensorProto>,
    #[prost(int64, repeated, tag = "8")]
    ints: Vec<i64>,
    #[prost(bytes = "vec", repeated, tag = "9")]
    strings: Vec<Vec<u8>>,
    #[prost(int32, tag = "20")]
    kind: i32,
}

#[derive(Clone, PartialEq, Message)]
struct TensorProto {
    #[prost(int64, repeated, tag = "1")]
    dims: Vec<i64>,
    #[prost(int32, tag = "2")]
    data_type: i32,
    #[prost(float, repeated, tag = "4")]
    float_data: Vec<f32>,
    #[prost(int32, repeated, tag = "5")]
    int32_data: Vec<i32>,
    #[prost(int64, repeated, tag = "7")]
    int64_data: Vec<i64>,
    #[prost(string, tag = "8")]
    name: String,
    #[prost(bytes = "vec", tag = "9")]
    raw_data: Vec<u8>,
    #[prost(int32, tag = "14")]
    data_location: i32,
}

#[derive(Clone, PartialEq, Message)]
struct ValueInfoProto {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, optional, tag = "2")]
    r#type: Option<TypeProto>,
}

#[derive(Clone, PartialEq, Message)]
struct TypeProto {
    #[prost(message, optional, tag = "1")]
    tensor_type: Option<TensorTypeProto>,
}

#[derive(Clone, PartialEq, Message)]
struct TensorTypeProto {
    #[prost(int32, tag = "1")]
    elem_type: i32,
    #[prost(message, optional, tag = "2")]
    shape: Option<ShapeProto>,
}

#[derive(Clone, PartialEq, Message)]
struct ShapeProto {
    #[prost(message, repeated, tag = "1")]
    dim: Vec<DimensionProto>,
}

#[derive(Clone, PartialEq, Message)]
struct DimensionProto {
    #[prost(int64, optional, tag = "1")]
    dim_value: Option<i64>,
}

/// `TensorProto.DataType`.
const FLOAT: i32 = 1;
const INT32: i32 = 6;
const INT64: i32 = 7;
/// `TensorProto.DataLocation`.
const EXTERNAL: i32 = 1;
/// `AttributeProto.AttributeType`.
const ATTRIBUTE_GRAPH: [i32; 2] = [5, 10];

/// Most values that all constants of a file may hold: 64 MiB.
const MAX_CONSTANTS: usize = 1 << 24;

/// A constant tensor.
#[derive(Clone, Debug, PartialEq)]
pub enum Constant {
    /// `f32`, with its shape.
    Floats(Vec<usize>, Vec<f32>),
    /// `i64` (or `i32`), with its shape.
    Ints(Vec<usize>, Vec<i64>),
}

/// An attribute of a node.
#[derive(Clone, Debug, PartialEq)]
pub enum Attribute {
    /// A number.
    Float(f32),
    /// A whole number.
    Int(i64),
    /// Several of them.
    Ints(Vec<i64>),
    /// A word.
    Text(String),
    /// Several of them.
    Texts(Vec<String>),
    /// A tensor.
    Tensor(Constant),
}

/// One operation.
#[derive(Clone, Debug)]
pub struct Node {
    /// Its kind, as in the operators' list of ONNX.
    pub kind: String,
    /// Names of what goes in; empty where an optional one is left out.
    pub inputs: Vec<String>,
    /// Names of what comes out.
    pub outputs: Vec<String>,
    pub(super) attributes: Vec<(String, Attribute)>,
}

impl Node {
    fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.attributes.iter().find(|(own, _)| own == name).map(|(_, value)| value)
    }

    /// A whole number, or `default`.
    pub fn int(&self, name: &str, default: i64) -> i64 {
        if let Some(Attribute::Int(value)) = self.attribute(name) { *value } else { default }
    }

    /// A number, or `default`.
    pub fn float(&self, name: &str, default: f32) -> f32 {
        if let Some(Attribute::Float(value)) = self.attribute(name) { *value } else { default }
    }

    /// Whole numbers, where they are given.
    pub fn ints(&self, name: &str) -> Option<&[i64]> {
        if let Some(Attribute::Ints(values)) = self.attribute(name) { Some(values) } else { None }
    }

    /// A word, or `default`.
    pub fn text<'a>(&'a self, name: &str, default: &'a str) -> &'a str {
        if let Some(Attribute::Text(value)) = self.attribute(name) { value } else { default }
    }

    /// Words, where they are given.
    pub fn texts(&self, name: &str) -> Option<&[String]> {
        if let Some(Attribute::Texts(values)) = self.attribute(name) { Some(values) } else { None }
    }

    /// A tensor, where it is given.
    pub fn tensor(&self, name: &str) -> Option<&Constant> {
        if let Some(Attribute::Tensor(value)) = self.attribute(name) { Some(value) } else { None }
    }

    /// True when an attribute is given.
    pub fn has(&self, name: &str) -> bool {
        self.attribute(name).is_some()
    }
}

/// An input or output of the graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// Its name.
    pub name: String,
    /// It holds `f32`, or does not say what it holds.
    pub floats: bool,
    /// Its shape; none when it is not given in numbers.
    pub shape: Option<Vec<usize>>,
    /// Dimensions that are not given in numbers.
    pub open: Vec<usize>,
}

/// What a file holds.
#[derive(Clone, Debug)]
pub struct Graph {
    /// Version of the operators.
    pub opset: i64,
    /// Operations, in an order in which they can run.
    pub nodes: Vec<Node>,
    /// Constants by name.
    pub constants: Vec<(String, Constant)>,
    /// Inputs, without those that are constants.
    pub inputs: Vec<Port>,
    /// Outputs.
    pub outputs: Vec<Port>,
}

impl Graph {
    /// Reads a file.
    ///
    /// # Errors
    /// What is wrong with it, in a sentence.
    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        let model = ModelProto::decode(bytes).map_err(|e| format!("this is no ONNX file, or a broken one: {e}"))?;
        let proto = model.graph.ok_or("the file holds no graph")?;
        let opset = model.opset_import.iter().filter(|set| set.domain.is_empty() || set.domain == "ai.onnx").map(|set| set.version).max();
        let mut left = MAX_CONSTANTS;
        let mut constants = Vec::with_capacity(proto.initializer.len());
        for tensor in &proto.initializer {
            let value = constant(tensor, &mut left).map_err(|reason| format!("constant \"{}\": {reason}", tensor.name))?;
            constants.push((tensor.name.clone(), value));
        }
        let nodes = proto.node.into_iter().map(|node| read_node(node, &mut left)).collect::<Result<_, _>>()?;
        let inputs = proto.input.iter().filter(|port| constants.iter().all(|(name, _)| *name != port.name)).map(port).collect();
        Ok(Self { opset: opset.unwrap_or(1), nodes, inputs, outputs: proto.output.iter().map(port).collect(), constants })
    }
}

fn port(info: &ValueInfoProto) -> Port {
    let tensor = info.r#type.as_ref().and_then(|kind| kind.tensor_type.as_ref());
    let dims: Option<Vec<Option<usize>>> = tensor.and_then(|tensor| tensor.shape.as_ref()).map(|shape| {
        shape.dim.iter().map(|dim| dim.dim_value.and_then(|value| usize::try_from(value).ok()).filter(|&value| value > 0)).collect()
    });
    let open = dims.iter().flatten().enumerate().filter(|(_, dim)| dim.is_none()).map(|(d, _)| d).collect();
    let shape = dims.and_then(|dims| dims.into_iter().collect());
    Port { name: info.name.clone(), floats: tensor.is_none_or(|tensor| tensor.elem_type == FLOAT), shape, open }
}

fn read_node(node: NodeProto, left: &mut usize) -> Result<Node, String> {
    if !(node.domain.is_empty() || node.domain == "ai.onnx") {
        return Err(format!("operator {} is of \"{}\", which is no part of ONNX", node.op_type, node.domain));
    }
    let mut attributes = Vec::with_capacity(node.attribute.len());
    for attribute in node.attribute {
        let value = match attribute.kind {
            1 => Attribute::Float(attribute.f),
            2 => Attribute::Int(attribute.i),
            3 => Attribute::Text(String::from_utf8_lossy(&attribute.s).into_owned()),
            4 => match &attribute.t {
                Some(tensor) => Attribute::Tensor(constant(tensor, left).map_err(|reason| format!("{}: {reason}", node.op_type))?),
                None => continue,
            },
            7 => Attribute::Ints(attribute.ints),
            8 => Attribute::Texts(attribute.strings.iter().map(|text| String::from_utf8_lossy(text).into_owned()).collect()),
            kind if ATTRIBUTE_GRAPH.contains(&kind) => return Err(format!("operator {} holds a graph of its own", node.op_type)),
            _ => continue,
        };
        attributes.push((attribute.name, value));
    }
    Ok(Node { kind: node.op_type, inputs: node.input, outputs: node.output, attributes })
}

fn constant(tensor: &TensorProto, left: &mut usize) -> Result<Constant, String> {
    if tensor.data_location == EXTERNAL {
        return Err("its values lie in another file, which is not read; save the model as one file".into());
    }
    let dims: Option<Vec<usize>> = tensor.dims.iter().map(|&dim| usize::try_from(dim).ok()).collect();
    let dims = dims.ok_or_else(|| format!("a shape of {:?}", tensor.dims))?;
    let size = dims.iter().try_fold(1_usize, |product, &dim| product.checked_mul(dim)).filter(|size| size <= left);
    let size = size.ok_or_else(|| format!("with a shape of {dims:?} the constants are more than {MAX_CONSTANTS} values"))?;
    *left -= size;
    let raw = &tensor.raw_data;
    let value = match tensor.data_type {
        FLOAT if raw.is_empty() => Constant::Floats(dims, tensor.float_data.clone()),
        FLOAT => Constant::Floats(dims, raw.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect()),
        INT32 if raw.is_empty() => Constant::Ints(dims, tensor.int32_data.iter().map(|&v| v.into()).collect()),
        INT32 => Constant::Ints(dims, raw.as_chunks::<4>().0.iter().map(|b| i32::from_le_bytes(*b).into()).collect()),
        INT64 if raw.is_empty() => Constant::Ints(dims, tensor.int64_data.clone()),
        INT64 => Constant::Ints(dims, raw.as_chunks::<8>().0.iter().map(|b| i64::from_le_bytes(*b)).collect()),
        other => return Err(format!("values of type {other}; f32 and whole numbers are read")),
    };
    let held = match &value {
        Constant::Floats(_, values) => values.len(),
        Constant::Ints(_, values) => values.len(),
    };
    if held == size { Ok(value) } else { Err(format!("{held} values where its shape asks for {size}; the file is cut off or broken")) }
}
