//! A graph as a chain of nodes.

use onnx_rs::ast::{Attribute, AttributeType, DataType, Node, OpType, TensorProto};
use safetensors::{SafeTensorError, SafeTensors};

/// Nodes that each take the output of the previous one, and the constants that they use.
pub struct Chain<'a> {
    pub nodes: Vec<Node<'a>>,
    pub initializers: Vec<TensorProto<'a>>,
    current: &'a str,
}

impl<'a> Chain<'a> {
    /// Returns an empty chain. Its first node will take `input`.
    pub fn new(input: &'a str) -> Self {
        Self { nodes: Vec::new(), initializers: Vec::new(), current: input }
    }

    /// Returns the name of the value that the next node will take.
    pub fn current(&self) -> &'a str {
        self.current
    }

    /// Adds a node that takes the current value and `operands`. Its output is named after it, and the next node takes
    /// that output.
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

    /// Makes an earlier value the input of the next node.
    pub fn back_to(&mut self, value: &'a str) {
        self.current = value;
    }

    /// Adds an `f64` constant, and returns its name.
    pub fn constant(&mut self, name: &'a str, shape: &[usize], values: Vec<f64>) -> &'a str {
        self.initializers.push(TensorProto::from_f64(name, dimensions(shape), values));
        name
    }

    /// Adds a shape as a constant, and returns its name. -1 stands for the remaining size.
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

/// Returns an attribute that is an integer.
pub fn int(name: &str, i: i64) -> Attribute<'_> {
    Attribute { name, r#type: AttributeType::Int, i, ..Attribute::default() }
}

/// Returns an attribute that is a list of integers.
pub fn ints<const N: usize>(name: &str, ints: [i64; N]) -> Attribute<'_> {
    Attribute { name, r#type: AttributeType::Ints, ints: ints.into(), ..Attribute::default() }
}
