//! TensorBoard's page of hyperparameters: a row per run, with its settings and its test scores.

use mnist_training::{RunSettings, TrainingError};

use super::{
    event_file::Events,
    messages::{
        DataType, Experiment, HParamInfo, HParamsData, Kind, MetricInfo, MetricName, SessionEndInfo,
        SessionStartInfo, Status, Value,
    },
};
use crate::tracked_run::{TEST_ACCURACY, TEST_LOSS, parameters};

/// The settings in which the runs of a comparison can differ. TensorBoard shows them first.
const COMPARED: [&str; 4] = ["scaling", "seed", "learning_rate", "batch_size"];

/// Adds the settings of a run that began at this time, in seconds since 1970.
pub fn begin(events: &mut Events, settings: &RunSettings, began: f64) -> Result<(), TrainingError> {
    let parameters = parameters(settings)?.into_iter().map(|(name, value)| (name, kind(value)));
    let parameters: Vec<(String, Kind)> = parameters.collect();
    let hparam_infos = parameters.iter().map(|(name, kind)| {
        let data_type = match kind {
            Kind::Number(_) => DataType::Float64,
            Kind::Text(_) => DataType::String,
            Kind::Flag(_) => DataType::Bool,
        };
        let differs = COMPARED.contains(&name.as_str());
        HParamInfo { name: name.clone(), data_type: data_type.into(), differs }
    });
    let metric = |tag: &str| MetricInfo { name: Some(MetricName { tag: tag.to_owned() }) };
    let experiment = Experiment {
        hparam_infos: hparam_infos.collect(),
        metric_infos: [TEST_ACCURACY, TEST_LOSS].map(metric).into(),
    };
    let start = SessionStartInfo {
        hparams: parameters.into_iter().map(|(name, kind)| (name, Value { kind: Some(kind) })).collect(),
        start_time_secs: began,
    };
    events.hyperparameters(0.0, "_hparams_/experiment", HParamsData::Experiment(experiment));
    events.hyperparameters(0.0, "_hparams_/session_start_info", HParamsData::SessionStartInfo(start));
    Ok(())
}

/// Adds the end of a run that began at this time, in seconds since 1970.
pub fn end(events: &mut Events, began: f64, seconds: f64, is_usable: bool) {
    let status = if is_usable { Status::Success } else { Status::Failure };
    let end = SessionEndInfo { status: status.into(), end_time_secs: began + seconds };
    events.hyperparameters(seconds, "_hparams_/session_end_info", HParamsData::SessionEndInfo(end));
}

fn kind(value: toml::Value) -> Kind {
    match value {
        toml::Value::Integer(number) => Kind::Number(number as f64),
        toml::Value::Float(number) => Kind::Number(number),
        toml::Value::Boolean(flag) => Kind::Flag(flag),
        toml::Value::String(text) => Kind::Text(text),
        other => Kind::Text(other.to_string()),
    }
}
