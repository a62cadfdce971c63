//! MLflow: sends a comparison to a server, as a run with a nested run per training.
//!
//! Nothing is sent twice. Each run has a tag with its own name, by which it is found again. A run that arrived only in
//! part is still marked as running: it is deleted and sent again.

mod client;
mod error;

use std::{
    hash::{BuildHasher, RandomState},
    thread,
    time::Duration,
};

use mnist_comparison::{
    Comparison, ComparisonFolder,
    folder::{MARKDOWN, MLFLOW_ID, PAGE, TABLE},
};
use mnist_model::ModelConfig;
use mnist_training::{
    Observer, Predictor, TrainingError,
    backend::default_cpu,
    export::{ExportedFile, onnx_file},
    files::{self, CONFIG},
    predictor::TrainedModel,
};
use serde::Serialize;
use serde_json::{Value, json};

use crate::{TrackedRun, TrackerError, tracked_run::Metric};
use client::{Client, Requests};

pub use client::Credentials;
pub use error::MlflowError;

/// Most metrics in a request.
const MOST_METRICS: usize = 1000;

/// The tag with the name of a run, see [`TrackedRun::name`].
const NAME: &str = "mnist_trainer.run";

/// The tag that makes a run a nested one.
const PARENT: &str = "mlflow.parentRunId";

/// The tag with the checksum of a run's weights.
const WEIGHTS: &str = "weights_sha256";

/// Limit for the size of a file to send, in bytes.
const MOST_FILE: u64 = 256 << 20;

/// A server and an experiment on it.
pub struct Mlflow {
    client: Client,
    experiment: String,
}

/// The pauses before the second, third and fourth attempt.
const PAUSES: [Duration; 3] = [Duration::from_millis(500), Duration::from_secs(1), Duration::from_secs(2)];

/// What was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sent {
    /// The URL of the experiment's page.
    pub page: String,
    /// Name of the experiment.
    pub experiment: String,
    /// MLflow's id of the run of the comparison.
    pub run_id: String,
    /// Number of trainings that were sent.
    pub sent: usize,
    /// Number of trainings that had arrived before.
    pub already_there: usize,
}

impl Mlflow {
    /// Names the experiment on the server at `uri`. It is created if it does not exist.
    ///
    /// # Errors
    /// When `uri` is not the URL of a server, or contains a password.
    pub fn new(uri: &str, experiment: &str, credentials: &Credentials) -> Result<Self, MlflowError> {
        Ok(Self { client: Client::new(uri, credentials)?, experiment: experiment.to_owned() })
    }

    /// Sends the finished runs of a comparison, with its report and the models as ONNX.
    ///
    /// # Errors
    /// When the server cannot be reached or refuses something, a file of the comparison cannot be read, or the observer
    /// asks to stop. What has arrived stays there.
    pub fn send(
        &self,
        folder: &ComparisonFolder,
        comparison: &Comparison,
        observer: &dyn Observer,
    ) -> Result<Sent, TrackerError> {
        let runs = TrackedRun::of_comparison(folder);
        let identity = identity(folder, observer)?;
        let sender = Sender { client: self.client.requests(observer), observer };
        let experiment = sender.retry(|| experiment(sender.client, &self.experiment))?;
        let parent = sender.retry(|| sender.parent(&experiment, &identity, folder, comparison, &runs))?;
        let incomplete = |arrived| {
            let of = runs.len();
            move |cause: TrackerError| {
                if cause.is_interrupt() {
                    return cause;
                }
                TrackerError::Incomplete { arrived, of, cause: Box::new(cause) }
            }
        };
        let (mut sent, mut already_there) = (0, 0);
        for run in &runs {
            let is_new = sender.retry(|| sender.run(&experiment, &parent, run));
            if is_new.map_err(incomplete(sent + already_there))? {
                sent += 1;
            } else {
                already_there += 1;
            }
            observer.note(&format!("MLflow has {} of {} runs", sent + already_there, runs.len()));
        }
        sender.report(&parent, folder).map_err(incomplete(runs.len()))?;
        Ok(Sent {
            page: format!("{}/#/experiments/{experiment}", self.client.uri()),
            experiment: self.experiment.clone(),
            run_id: parent.id,
            sent,
            already_there,
        })
    }
}

/// Returns the random id of the comparison, by which it is found again: it stays when the folder is renamed, and when
/// the comparison grows. Creates it when the comparison is sent for the first time.
fn identity(folder: &ComparisonFolder, observer: &dyn Observer) -> Result<String, TrackerError> {
    /// Number of hexadecimal digits.
    const DIGITS: usize = 32;
    let _lock = folder.lock(observer)?;
    let path = folder.path().join(MLFLOW_ID);
    if !path.exists() {
        // The standard library seeds its hash functions at random.
        let random = || RandomState::new().hash_one(folder.path());
        files::write(&path, format!("{:016x}{:016x}\n", random(), random()).as_bytes())?;
    }
    let id = String::from_utf8_lossy(&files::read(&path, 1 << 10)?).trim().to_owned();
    if id.len() != DIGITS || !id.chars().all(|digit| digit.is_ascii_hexdigit()) {
        return Err(TrainingError::damaged(&path)("it does not contain an id").into());
    }
    Ok(id)
}

/// Returns the id of the experiment. Creates it if it does not exist.
fn experiment(client: Requests, name: &str) -> Result<String, TrackerError> {
    let found = match client.get("experiments/get-by-name", [("experiment_name", name)]) {
        Err(TrackerError::Mlflow(MlflowError::Refused { code, .. })) if code == "RESOURCE_DOES_NOT_EXIST" => {
            client.post("experiments/create", &json!({ "name": name }))?
        }
        other => other?,
    };
    // The answer to `create` contains only the id.
    let experiment = found.get("experiment").unwrap_or(&found);
    let id = text(experiment, "experiment_id")?.to_owned();
    if experiment["lifecycle_stage"] == "deleted" {
        return Err(MlflowError::ExperimentDeleted { name: name.to_owned(), id }.into());
    }
    Ok(id)
}

/// A run of MLflow.
struct Remote {
    id: String,
    artifact_uri: String,
    is_running: bool,
    /// The checksum of the weights, empty if there is none.
    weights: String,
}

impl Remote {
    fn of(run: &Value) -> Result<Self, MlflowError> {
        let info = &run["info"];
        let mut tags = run["data"]["tags"].as_array().into_iter().flatten();
        let weights = tags.find(|tag| tag["key"] == WEIGHTS);
        Ok(Self {
            id: text(info, "run_id")?.to_owned(),
            artifact_uri: text(info, "artifact_uri")?.to_owned(),
            is_running: info["status"] == "RUNNING",
            weights: weights.and_then(|tag| tag["value"].as_str()).unwrap_or_default().to_owned(),
        })
    }
}

struct Sender<'a> {
    client: Requests<'a>,
    observer: &'a dyn Observer,
}

impl Sender<'_> {
    /// Calls `send` again while the server cannot be reached or fails; `send` must be repeatable.
    fn retry<T>(&self, send: impl Fn() -> Result<T, TrackerError>) -> Result<T, TrackerError> {
        let mut pauses = PAUSES.iter();
        loop {
            if self.observer.wants_stop() {
                return Err(TrainingError::Interrupted.into());
            }
            match (send(), pauses.next()) {
                (Err(error), Some(pause)) if error.is_temporary() => thread::sleep(*pause),
                (outcome, _) => return outcome,
            }
        }
    }

    /// Returns the runs with this name, nested in the run `parent`.
    fn find(&self, experiment: &str, name: &str, parent: Option<&str>) -> Result<Vec<Remote>, TrackerError> {
        let quoted = |text: &str| format!("'{}'", text.replace('\'', "_"));
        let mut filter = format!("tags.`{NAME}` = {}", quoted(name));
        if let Some(parent) = parent {
            filter = format!("{filter} and tags.`{PARENT}` = {}", quoted(parent));
        }
        let found = self.client.post(
            "runs/search",
            &json!({ "experiment_ids": [experiment], "filter": filter, "run_view_type": "ACTIVE_ONLY" }),
        )?;
        let runs = found["runs"].as_array().into_iter().flatten();
        Ok(runs.map(Remote::of).collect::<Result<_, _>>()?)
    }

    fn create(
        &self,
        experiment: &str,
        name: &str,
        began: Option<f64>,
        tags: &[(&str, String)],
    ) -> Result<Remote, TrackerError> {
        let mut body = json!({ "experiment_id": experiment, "run_name": name, "tags": pairs(tags) });
        if let Some(began) = began {
            body["start_time"] = milliseconds(began).into();
        }
        Ok(Remote::of(&self.client.post("runs/create", &body)?["run"])?)
    }

    fn end(&self, run: &Remote, status: &str, time: Option<f64>) -> Result<(), TrackerError> {
        let mut body = json!({ "run_id": run.id, "status": status });
        if let Some(time) = time {
            body["end_time"] = milliseconds(time).into();
        }
        self.client.post("runs/update", &body)?;
        Ok(())
    }

    /// Returns the run of the comparison, with its verdict. Creates it if it does not exist.
    fn parent(
        &self,
        experiment: &str,
        identity: &str,
        folder: &ComparisonFolder,
        comparison: &Comparison,
        runs: &[TrackedRun],
    ) -> Result<Remote, TrackerError> {
        let name = folder.path().canonicalize().unwrap_or_else(|_| folder.path().to_owned());
        let name = name.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let began = runs.iter().filter_map(|run| run.ended().map(|_| run.began())).reduce(f64::min);
        let ended = runs.iter().filter_map(TrackedRun::ended).reduce(f64::max);
        let remote = match self.find(experiment, identity, None)?.into_iter().next() {
            Some(found) => found,
            None => self.create(experiment, &name, began, &[(NAME, identity.to_owned())])?,
        };
        let mut tags = vec![
            ("mlflow.note.content", format!("**{}**\n\n{}", comparison.headline, comparison.verdict)),
            ("mnist_trainer.version", comparison.versions.mnist_trainer.clone()),
        ];
        tags.extend(runs.first().map(data_tag));
        self.client.post("runs/log-batch", &json!({ "run_id": remote.id, "tags": pairs(&tags) }))?;
        self.end(&remote, "FINISHED", ended)?;
        Ok(remote)
    }

    /// Sends a training. Returns false if it had arrived before. A run that was trained again, with another result,
    /// replaces the earlier one.
    fn run(&self, experiment: &str, parent: &Remote, tracked: &TrackedRun) -> Result<bool, TrackerError> {
        let result = &tracked.run.result;
        let weights = result.weights_sha256.clone().unwrap_or_default();
        for found in self.find(experiment, &tracked.name, Some(&parent.id))? {
            if !found.is_running && found.weights == weights {
                return Ok(false);
            }
            self.client.post("runs/delete", &json!({ "run_id": found.id }))?;
        }
        let tags = [
            (NAME, tracked.name.clone()),
            (PARENT, parent.id.clone()),
            ("mlflow.source.name", "mnist-trainer".to_owned()),
            ("mnist_trainer.arm", tracked.arm.clone()),
            ("mnist_trainer.version", result.versions.mnist_trainer.clone()),
            ("burn.version", result.versions.burn.clone()),
            (WEIGHTS, weights),
            data_tag(tracked),
        ];
        let name = format!("{} seed {}", tracked.arm, result.seed);
        let remote = self.create(experiment, &name, tracked.ended().map(|_| tracked.began()), &tags)?;
        let parameters: Vec<(String, String)> =
            tracked.parameters()?.into_iter().map(|(name, value)| (name, as_text(&value))).collect();
        self.client.post("runs/log-batch", &json!({ "run_id": remote.id, "params": pairs(&parameters) }))?;
        let began = tracked.began();
        // JSON has no infinity and no NaN, with which the last point of a diverged run ends.
        let metrics: Vec<Metric> =
            tracked.metrics().into_iter().filter(|metric| metric.value.is_finite()).collect();
        for part in metrics.chunks(MOST_METRICS) {
            let metrics: Vec<Value> = part.iter().map(|metric| as_json(metric, began)).collect();
            self.client.post("runs/log-batch", &json!({ "run_id": remote.id, "metrics": metrics }))?;
        }
        self.artifacts(&remote, tracked)?;
        let status = if tracked.run.is_usable() { "FINISHED" } else { "FAILED" };
        self.end(&remote, status, tracked.ended())?;
        Ok(true)
    }

    /// Sends the settings of a run, and its model as ONNX.
    fn artifacts(&self, remote: &Remote, tracked: &TrackedRun) -> Result<(), TrackerError> {
        let config = tracked.run.result.read_file(CONFIG)?;
        if !self.client.put_artifact(&remote.artifact_uri, CONFIG, &config)? || !tracked.run.is_usable() {
            return Ok(());
        }
        match onnx(tracked) {
            Ok(model) => {
                self.client.put_artifact(&remote.artifact_uri, model.name, &model.bytes)?;
            }
            Err(error) => self.observer.warning(&format!("{} has no model in MLflow: {error}", tracked.name)),
        }
        Ok(())
    }

    /// Sends the files of the report.
    fn report(&self, parent: &Remote, folder: &ComparisonFolder) -> Result<(), TrackerError> {
        for name in [PAGE, MARKDOWN, TABLE, CONFIG] {
            let bytes = files::read(&folder.path().join(name), MOST_FILE)?;
            let is_stored = self.retry(|| self.client.put_artifact(&parent.artifact_uri, name, &bytes))?;
            if !is_stored {
                self.observer.warning(&format!(
                    "MLflow has the numbers, but no report and no models: the server stores files at {}; start it \
                     with `--serve-artifacts` and use a new experiment",
                    parent.artifact_uri
                ));
                return Ok(());
            }
        }
        Ok(())
    }
}

/// Exports a run's model, on a CPU.
fn onnx(tracked: &TrackedRun) -> Result<ExportedFile, TrainingError> {
    let trained = TrainedModel::open(tracked.folder())?;
    let backend = default_cpu().unwrap_or(tracked.settings.training.backend);
    let predictor: Predictor<_> = trained.load(&ModelConfig::new(), backend.open()?)?;
    onnx_file(&predictor)
}

/// Returns the tag with the checksums of the data files.
fn data_tag(tracked: &TrackedRun) -> (&'static str, String) {
    /// Longest value of a tag that every store of MLflow takes.
    const LONGEST: usize = 5000;
    let sums: Vec<String> = tracked.data().iter().map(|sum| format!("{} {}", sum.sha256, sum.name)).collect();
    ("data_sha256", sums.join("\n").chars().take(LONGEST).collect())
}

fn pairs<K: AsRef<str>>(pairs: &[(K, String)]) -> Vec<Value> {
    pairs.iter().map(|(key, value)| json!({ "key": key.as_ref(), "value": value })).collect()
}

fn as_json(metric: &Metric, began: f64) -> Value {
    let timestamp = milliseconds(began + metric.seconds);
    json!({ "key": metric.tag, "value": metric.value, "timestamp": timestamp, "step": metric.step })
}

fn as_text(value: &toml::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn milliseconds(seconds: f64) -> i64 {
    (seconds * 1000.0).round() as i64
}

fn text<'a>(json: &'a Value, key: &'static str) -> Result<&'a str, MlflowError> {
    json[key].as_str().ok_or(MlflowError::Missing(key))
}
