//! `compare`: every scaling × every seed, ranked.

use std::sync::Arc;

use anyhow::Result;
use burn::data::dataset::Dataset;

use crate::{
    cli::CompareArgs,
    comparison::Comparison,
    config::{ComparisonConfig, ConfigFile},
    dataset::{ExperimentData, fit},
    device::use_threads,
    failure::Interrupted,
    folder::{OutputFolder, check_same_config},
    report,
    run::{Experiment, Status},
    terminal::{Terminal, warn},
};

const CONFIG: &str = "config.toml";
const RESULT: &str = "result.json";
const REPORT: &str = "report.md";
const RUNS: &str = "runs";

/// All that a comparison folder may hold.
const CONTENTS: [&str; 4] = [CONFIG, RESULT, REPORT, RUNS];

pub fn run(args: CompareArgs, terminal: &Terminal) -> Result<()> {
    let file = ConfigFile::read(args.config.config.as_deref())?;
    let config = ComparisonConfig::resolve(args.scalings, args.seeds, args.training, &file)?;
    let settings = &config.settings;
    let device = settings.backend.open()?;
    use_threads(settings.threads.map(Into::into))?;
    let names: Vec<&str> = config.scalings.iter().map(mnist_data::Scaling::name).collect();
    let folder = OutputFolder::choose(&args.out, &format!("compare-{}", names.join("-")), &CONTENTS)?;
    let config_text = toml::to_string(&config)?;
    if !args.out.force {
        check_same_config(&folder.path().join(CONFIG), &config_text)?;
    }

    let data = ExperimentData::load(&settings.dataset, settings.validation_split, terminal)?;
    let fitted = config.scalings.iter().map(|scaling| fit(scaling, &data.train).map(Arc::new));
    let fitted = fitted.collect::<Result<Vec<_>>>()?;
    let experiment = Experiment::new(&data, device, terminal)?;
    folder.create(args.out.force)?;
    folder.write(CONFIG, config_text.as_bytes())?;

    let mut results = Vec::new();
    for training in config.trainings() {
        let Some(fitted) = fitted.iter().find(|fitted| *fitted.scaling() == training.scaling) else {
            continue;
        };
        let name = format!("{}-seed{}", training.scaling.name(), training.seed);
        let run = experiment.run(&training, fitted, &folder.within(RUNS).within(&name));
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

    let comparison = Comparison::of(folder.path().to_owned(), &results, data.test.len());
    folder.write(REPORT, report::markdown::comparison(&comparison, &config_text).as_bytes())?;
    folder.write_json(RESULT, &comparison)?;
    terminal.result(&comparison, || {
        format!("{}\ncomparison: {}", report::text::comparison(&comparison), folder.path().display())
    })
}
