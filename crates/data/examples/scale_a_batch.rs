//! Fits a scaling on MNIST, scales a batch, and checks that the saved scaling produces the same values.
//!
//! Run it with `cargo run --release --example scale_a_batch [FOLDER]`. Without a folder, it reads MNIST from the user's
//! cache, and downloads it first if necessary.

use std::{env, error::Error, fs::File, ops::ControlFlow, sync::Arc};

use burn::data::{dataloader::batcher::Batcher, dataset::Dataset};
use burn::tensor::Device;
use mnist_data::{DatasetKind, FittedScaling, Moments, Scaling, ScalingBatcher, Source};

fn main() -> Result<(), Box<dyn Error>> {
    // Long operations call this to report their progress; `Break` would stop them.
    let mut progress = |_: &str, _: u64, _: Option<u64>| ControlFlow::Continue(());
    let source = Source::new(DatasetKind::Mnist, env::args().nth(1).map(Into::into));
    let train = source.fetch(&mut progress)?.into_splits()?.train;

    // Only the training images contribute to the statistics.
    let fitted = "standardize".parse::<Scaling>()?.fit(&train, &mut progress)?;

    let file = tempfile::NamedTempFile::new()?;
    serde_json::to_writer_pretty(&file, &fitted)?;
    let loaded: FittedScaling = serde_json::from_reader(File::open(file.path())?)?;

    let scale_batch = |scaling: FittedScaling| -> Result<Vec<f32>, Box<dyn Error>> {
        let items = train.get_many((0..64).collect())?;
        let batch = ScalingBatcher::new(Arc::new(scaling)).batch(items, &Device::flex());
        Ok(batch.images.try_into_vec_as()?) // from shape [64, 1, 28, 28]
    };
    let [scaled, scaled_again] = [scale_batch(fitted)?, scale_batch(loaded)?];
    assert_eq!(scaled, scaled_again);

    let moments = Moments::of(scaled.into_iter().map(f64::from));
    println!("the saved scaling produces the same {} values", scaled_again.len());
    println!("mean {}, standard deviation {}", moments.mean(), moments.std());
    Ok(())
}
