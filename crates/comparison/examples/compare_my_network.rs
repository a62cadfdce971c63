//! Compares pixel scalings for your own network: `cargo run --release --example compare_my_network`

use std::error::Error;

use burn::{module::Module, nn::Linear, tensor::Device, tensor::Tensor, tensor::activation::relu};
use mnist_comparison::{ComparisonSettings, Seeds, compare};
use mnist_model::{Classifier, Network, NetworkError, initialization::dense};
use mnist_training::files::Destination;

#[derive(Module, Debug)]
struct Mlp {
    hidden: Linear,
    output: Linear,
}

impl Classifier for Mlp {
    fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        self.output.forward(relu(self.hidden.forward(images.flatten(1, 3))))
    }
}

struct MlpConfig;

impl Network for MlpConfig {
    type Model = Mlp;
    fn name(&self) -> String {
        "mlp-64".into()
    }
    fn build(&self, image: [usize; 3], classes: usize, seed: u64, on: &Device) -> Result<Mlp, NetworkError> {
        let hidden = dense("hidden", [image.iter().product(), 64], seed, on);
        Ok(Mlp { hidden, output: dense("output", [64, classes], seed, on) })
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let settings =
        ComparisonSettings { seeds: Seeds::Planned { seeds: 3.try_into()? }, ..Default::default() };
    let folder = Destination::new("compare-my-network"); // runs/compare-my-network-<UTC time>
    println!("{}", compare(&MlpConfig, &settings, folder, None, &(), &mut ())?.verdict);
    Ok(())
}
