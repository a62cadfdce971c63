//! Classifies a picture with a run that `mnist-trainer train` wrote:
//! `cargo run --release --example predict_a_picture RUN PICTURE`

use std::{env, error::Error, path::Path};

use mnist_data::{Fit, PictureReader};
use mnist_model::ModelConfig;
use mnist_training::{Backend, Predictor};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [run, picture] = &arguments[..] else { return Err("expected RUN and PICTURE".into()) };

    // The predictor scales pixels as the run did in training.
    let predictor = Predictor::open(Path::new(run), &ModelConfig::new(), Backend::Flex)?;

    // Resizes a PNG, JPEG, BMP or WebP file to the size that the model takes. A file of raw bytes must have that size.
    let reader = PictureReader::new(predictor.trained.fitted.shape(), Fit::Resize)?;
    let pixels = reader.read(Path::new(picture))?;

    for prediction in predictor.predict(&[&pixels])? {
        let probability = prediction.probabilities[prediction.class];
        println!("{picture}: class {} ({:.1}%)", prediction.class, 100.0 * probability);
    }
    Ok(())
}
