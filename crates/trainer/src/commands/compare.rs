//! `compare`: every scaling × every seed, ranked.

use std::sync::Arc;

use anyhow::Result;
use burn::data::dataset::Dataset;
use mnist_data::Scaling;

use crate::{
    cli::CompareArgs,
    comparison::Comparison,
    config::{ComparisonConfig, ConfigFile},
    dataset::{ExperimentData, fit},
    device::use_threads,
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
    use_threads(settings.threads)?;
    let names: Vec<&str> = config.scalings.iter().map(Scaling::name).collect();
    let destination = Destination::choose(&args.out, format!("compare-{}", names.join("-")), &CONTENTS)?;
    let config_text = toml::to_string(&config)?;
    if args.out.resume {
        // More scalings and more seeds are what there may be to add.
        destination.check_same_config(&config_text, &["scalings", "seeds"])?;
        config.check_grown_from(&destination.saved_config()?)?;
    }

    let data = ExperimentData::load(&settings.dataset, settings.validation_split, terminal)?;
    let fit = |scaling| fit(scaling, &data.train).map(Arc::new);
    let fitted = config.scalings.iter().map(fit).collect::<Result<Vec<_>>>()?;
    let experiment = Experiment::new(&data, device, terminal)?;
    let folder = destination.create(args.out.force, &CONTENTS)?;
    // Until there is a new one, the result of fewer runs must not pass for that of this configuration.
    folder.remove(RESULT)?;
    folder.write(CONFIG, config_text.as_bytes())?;

    let mut results = Vec::new();
    for fitted in &fitted {
        for training in config.trainings(fitted.scaling()) {
            let name = format!("{}-seed{}", training.scaling.name(), training.seed);
            let run = experiment.run(&training, fitted, &folder.path().join(RUNS).join(&name));
            let result = Interrupted::resumable(run, folder.path())?;
            match (result.status, result.test) {
                (Status::Ok, Some(test)) => {
                    let accuracy = report::percent(test.accuracy);
                    terminal.line(format!("{name}: test accuracy {accuracy} ({:.0} s)", result.seconds));
                }
                _ => warn(format!("{name} diverged: its loss is no longer a number")),
            }
            results.push(result);
        }
    }

    let comparison = Comparison::of(folder.path().to_owned(), &results, data.test.len());
    folder.write(REPORT, report::markdown::comparison(&comparison, &config_text).as_bytes())?;
    folder.write_json(RESULT, &comparison)?;
    terminal.result(&comparison, || {
        format!("{}\ncomparison: {}", report::text::comparison(&comparison), folder.path().display())
    })
}
