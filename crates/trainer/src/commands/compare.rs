//! `compare`: every scaling × every seed, ranked.

use std::sync::Arc;

use anyhow::Result;
use burn::tensor::Device;

use crate::{
    cli::CompareArgs,
    comparison::{ComparedRun, Comparison},
    config::{ComparisonConfig, ConfigFile},
    dataset::{ExperimentData, fit},
    device::in_pool,
    failure::Interrupted,
    folder::{CONFIG, Destination, RESULT},
    report,
    run::{Experiment, Status},
    terminal::{Terminal, warn},
};

const REPORT: &str = "report.md";
const RUNS: &str = "runs";

/// All that a comparison folder may hold.
const CONTENTS: [&str; 4] = [CONFIG, RESULT, REPORT, RUNS];

pub fn run(args: CompareArgs, terminal: &Terminal) -> Result<()> {
    let file = ConfigFile::read(args.config.config.as_deref())?;
    let config = ComparisonConfig::resolve(args.scalings, args.seeds, args.training, &file)?;
    let settings = &config.settings;
    let device = settings.backend.open()?;
    let names: Vec<&str> = config.scalings.iter().map(mnist_data::Scaling::name).collect();
    let destination = Destination::choose(&args.out, format!("compare-{}", names.join("-")), &CONTENTS)?;
    if args.out.resume {
        // More scalings, seeds and values of the grid are what there may be to add.
        let may_grow = ["scalings", "seeds", "grid", "learning_rate", "batch_size"];
        destination.check_same_config(&config.to_toml()?, &may_grow)?;
    }
    in_pool(settings.threads, || compare(&config, device, destination, args.out.force, terminal))
}

fn compare(
    config: &ComparisonConfig,
    device: Device,
    destination: Destination,
    force: bool,
    terminal: &Terminal,
) -> Result<()> {
    let settings = &config.settings;
    let config_text = config.to_toml()?;
    let (data, files) = ExperimentData::load_checked(
        &settings.dataset,
        settings.validation_split,
        &config.scalings,
        terminal,
    )?;
    let fit = |scaling| fit(scaling, &data.train, terminal).map(Arc::new);
    let fitted = config.scalings.iter().map(fit).collect::<Result<Vec<_>>>()?;
    let experiment = Experiment::new(&data, files, device, terminal)?;
    let folder = destination.create(force, &CONTENTS)?;
    // Until there is a new one, the result of fewer runs must not pass for that of this configuration.
    folder.remove(RESULT)?;
    folder.write(CONFIG, config_text.as_bytes())?;

    let mut runs = Vec::new();
    let arms = config.arms();
    for arm in &arms {
        let fitted = &fitted[config.scalings.iter().position(|scaling| *scaling == arm.scaling).unwrap()];
        for seed in 1..=config.seeds.get() {
            let training = arm.training(seed.into());
            let name = format!("{}-seed{}", arm.name, training.seed);
            let run = experiment.run(&training, fitted, &folder.path().join(RUNS).join(&name));
            let result = Interrupted::resumable(run, folder.path())?;
            match (result.status, result.test) {
                (Status::Ok, Some(test)) => {
                    let accuracy = report::percent(test.accuracy);
                    terminal.line(format!("{name}: test accuracy {accuracy} ({:.0} s)", result.seconds));
                }
                _ => warn(format!("{name} diverged: its loss is no longer a number")),
            }
            runs.push(ComparedRun::read(&arm.name, result)?);
        }
    }

    let comparison = Comparison::of(folder.path().to_owned(), config, &runs);
    folder.write(REPORT, report::markdown::comparison(&comparison, &config_text).as_bytes())?;
    folder.write_json(RESULT, &comparison)?;
    terminal.result(&comparison, || {
        format!("{}\ncomparison: {}", report::text::comparison(&comparison), folder.path().display())
    })
}
