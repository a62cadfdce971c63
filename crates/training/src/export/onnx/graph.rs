//! The nodes of a graph, one after the other.

use onnx_rs::ast::{Attribute, AttributeType, DataType, Node, OpType, TensorProto};
use safetensors::{SafeTensorError, SafeTensors};

/// Nodes that each take the output of the previous one, with the constants that they use.
pub struct Chain<'a> {
    pub nodes: Vec<Node<'a>>,
    pub initializers: Vec<TensorProto<'a>>,
    current: &'a str,
}

impl<'a> Chain<'a> {
    /// An empty chain. Its first node will take `input`.
    pub fn new(input: &'a str) -> Self {
        Self { nodes: Vec::new(), initializers: Vec::new(), current: input }
    }

    /// The value that the next node will take.
    pub fn current(&self) -> &'a str {
        self.current
    }

    /// Adds a node that takes the current value and `operands`. Its output has the node's name and is the
    /// next node's input.
    pub fn then<const O: usize, const A: usize>(
        &mut self,
        operator: &'a str,
        name: &'a str,
        operands: [&'a str; O],
        attributes: [Attribute<'a>; A],
    ) {
        let input = [self.current].into_iter().chain(operands).collect();
        self.nodes.push(Node {
            input,
            output: vec![name],
            name,
            op_type: OpType::from(operator),
            attribute: attributes.into(),
            ..Node::default()
        });
        self.current = name;
    }

    /// Goes back to an earlier value: the next node takes it.
    pub fn back_to(&mut self, value: &'a str) {
        self.current = value;
    }

    /// Adds a constant in `f64`, and returns its name.
    pub fn constant(&mut self, name: &'a str, shape: &[usize], values: Vec<f64>) -> &'a str {
        self.initializers.push(TensorProto::from_f64(name, dimensions(shape), values));
        name
    }

    /// Adds a constant shape with -1 for the remaining size, and returns its name.
    pub fn shape(&mut self, name: &'a str, sides: Vec<i64>) -> &'a str {
        self.initializers.push(TensorProto::from_i64(name, vec![sides.len() as i64], sides));
        name
    }

    /// Adds a tensor of the model, and returns its name.
    pub fn weights(&mut self, all: &SafeTensors<'a>, name: &'a str) -> Result<&'a str, SafeTensorError> {
        let tensor = all.tensor(name)?;
        let shape = dimensions(tensor.shape());
        self.initializers.push(TensorProto::from_raw(name, shape, DataType::Float, tensor.data()));
        Ok(name)
    }
}

fn dimensions(shape: &[usize]) -> Vec<i64> {
    shape.iter().map(|&side| side as i64).collect()
}

/// An attribute that is a number.
pub fn int(name: &str, i: i64) -> Attribute<'_> {
    Attribute { name, r#type: AttributeType::Int, i, ..Attribute::default() }
}

/// An attribute that is a list of numbers.
pub fn ints<const N: usize>(name: &str, ints: [i64; N]) -> Attribute<'_> {
    Attribute { name, r#type: AttributeType::Ints, ints: ints.into(), ..Attribute::default() }
}
