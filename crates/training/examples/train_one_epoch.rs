//! Trains your own network for one epoch on MNIST: `cargo run --release --example train_one_epoch`

use std::{error::Error, num::NonZeroU32, sync::Arc};

use burn::{module::Module, nn::Linear, tensor::Tensor, tensor::activation::relu};
use mnist_model::{Classifier, initialization::dense};
use mnist_training::{
    Backend, ExperimentData, RunSettings, TrainingLoop, TrainingSettings, TrainingState, dataset::fit,
};

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

fn main() -> Result<(), Box<dyn Error>> {
    let training = TrainingSettings { epochs: NonZeroU32::MIN, ..TrainingSettings::default() };
    let settings = RunSettings { seed: 1, training, scaling: "standardize".parse()? };
    let data = ExperimentData::open_unchecked(&settings.training.dataset, &())?; // downloaded once, then cached
    let fitted = fit(&settings.scaling, &data.train, &())?;

    let device = Backend::Flex.open()?;
    let [hidden, output] = [("hidden", [28 * 28, 64]), ("output", [64, 10])]
        .map(|(name, size)| dense(name, size, settings.seed, &device.clone().autodiff()));
    let training = TrainingLoop::new(&settings, &data, Arc::new(fitted), device, &());
    let (ending, state) = training.run(TrainingState::new(Mlp { hidden, output }), &mut ())?;

    let test = training.evaluate(&state.model.valid(), &data.test)?;
    println!("{ending:?} in {:.1} s: test accuracy {:.2}%", state.progress.seconds(), 100.0 * test.accuracy);
    Ok(())
}
