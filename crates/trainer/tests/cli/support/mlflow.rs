//! A small MLflow server on this machine: it stores what it receives, and fails when a test wants.

use std::{
    collections::BTreeMap,
    io::{self, BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex, MutexGuard},
    thread,
    time::Duration,
};

use serde_json::{Value, json};

/// A server that runs until the tests end.
pub struct Mlflow {
    pub url: String,
    store: Arc<Mutex<Store>>,
}

/// What the server has received, and how it answers.
#[derive(Default)]
pub struct Store {
    pub runs: Vec<Run>,
    /// The path of each request.
    pub requests: Vec<String>,
    /// The `Authorization` of each request.
    pub authorizations: Vec<String>,
    pub answers: Answers,
    /// Where the experiment's artifacts are; by default, the server stores them itself.
    pub artifacts_elsewhere: bool,
    experiment: Option<String>,
}

/// How the server answers.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
pub enum Answers {
    #[default]
    AsMlflow,
    /// As MLflow, until it has answered this many requests in all; then it closes each connection.
    Until(usize),
    /// As MLflow, until it has answered this many requests in all; then it denies access.
    DeniesAfter(usize),
    /// The connections stay open, and nothing is answered.
    Never,
    /// The next so many requests fail with HTTP status 503.
    BusyFor(usize),
    /// Each request gets this status and an HTML page.
    Html(u16),
    /// The experiment was deleted.
    DeletedExperiment,
}

#[derive(Default, Debug, Clone, PartialEq)]
pub struct Run {
    pub id: String,
    pub name: String,
    pub status: String,
    pub is_deleted: bool,
    pub tags: BTreeMap<String, String>,
    pub params: BTreeMap<String, String>,
    /// Metric, step and value, in the order in which they came.
    pub metrics: Vec<(String, u64, f64)>,
    /// The sizes of the files.
    pub artifacts: BTreeMap<String, usize>,
}

impl Mlflow {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let store = Arc::new(Mutex::new(Store::default()));
        let of_server = store.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                // A client that gives up closes the connection, which is not an error here.
                let _ = serve(stream.unwrap(), &of_server);
            }
        });
        Self { url, store }
    }

    pub fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap()
    }
}

impl Store {
    /// Returns the runs that are not deleted.
    pub fn active(&self) -> Vec<Run> {
        self.runs.iter().filter(|run| !run.is_deleted).cloned().collect()
    }

    fn run(&mut self, id: &Value) -> &mut Run {
        self.runs.iter_mut().find(|run| run.id == *id).unwrap()
    }

    fn describe(&self, run: &Run) -> Value {
        let scheme = if self.artifacts_elsewhere { "s3://bucket" } else { "mlflow-artifacts:" };
        let artifact_uri = format!("{scheme}/1/{}/artifacts", run.id);
        let tags: Vec<Value> =
            run.tags.iter().map(|(key, value)| json!({ "key": key, "value": value })).collect();
        json!({
            "info": { "run_id": run.id, "status": run.status, "artifact_uri": artifact_uri },
            "data": { "tags": tags },
        })
    }

    /// Answers a request with JSON, or with the error that MLflow answers with.
    fn answer(&mut self, endpoint: &str, body: &Value) -> Result<Value, (u16, &'static str)> {
        let pairs = |key: &str| {
            let pairs = body[key].as_array().cloned().unwrap_or_default();
            let pair =
                |pair: Value| Some((pair["key"].as_str()?.to_owned(), pair["value"].as_str()?.to_owned()));
            pairs.into_iter().filter_map(pair).collect::<Vec<(String, String)>>()
        };
        match endpoint {
            "experiments/get-by-name" => {
                let stage = if self.answers == Answers::DeletedExperiment { "deleted" } else { "active" };
                match &self.experiment {
                    None if stage == "active" => Err((404, "RESOURCE_DOES_NOT_EXIST")),
                    _ => Ok(json!({ "experiment": { "experiment_id": "1", "lifecycle_stage": stage } })),
                }
            }
            "experiments/create" => {
                self.experiment = body["name"].as_str().map(str::to_owned);
                Ok(json!({ "experiment_id": "1" }))
            }
            "runs/search" => {
                let filter = body["filter"].as_str().unwrap();
                let matches = |run: &&Run| {
                    filter.split(" and ").all(|condition| {
                        let (key, value) = condition.split_once(" = ").unwrap();
                        let key = key.trim_start_matches("tags.`").trim_end_matches('`');
                        run.tags.get(key).is_some_and(|found| value == format!("'{found}'"))
                    })
                };
                let runs = self.runs.iter().filter(|run| !run.is_deleted).filter(matches);
                Ok(json!({ "runs": runs.map(|run| self.describe(run)).collect::<Vec<_>>() }))
            }
            "runs/create" => {
                let run = Run {
                    id: format!("run{}", self.runs.len()),
                    name: body["run_name"].as_str().unwrap().to_owned(),
                    status: "RUNNING".into(),
                    tags: pairs("tags").into_iter().collect(),
                    ..Run::default()
                };
                self.runs.push(run.clone());
                Ok(json!({ "run": self.describe(&run) }))
            }
            "runs/log-batch" => {
                let metrics = body["metrics"].as_array().cloned().unwrap_or_default();
                assert!(metrics.len() <= 1000, "MLflow takes at most 1,000 metrics in a request");
                let run = self.run(&body["run_id"]);
                run.tags.extend(pairs("tags"));
                run.params.extend(pairs("params"));
                let metric = |metric: &Value| {
                    let name = metric["key"].as_str().unwrap().to_owned();
                    (name, metric["step"].as_u64().unwrap(), metric["value"].as_f64().unwrap())
                };
                run.metrics.extend(metrics.iter().map(metric));
                Ok(json!({}))
            }
            "runs/update" => {
                body["status"].as_str().unwrap().clone_into(&mut self.run(&body["run_id"]).status);
                Ok(json!({}))
            }
            "runs/delete" => {
                self.run(&body["run_id"]).is_deleted = true;
                Ok(json!({}))
            }
            _ => Err((404, "ENDPOINT_NOT_FOUND")),
        }
    }
}

fn serve(mut stream: TcpStream, store: &Mutex<Store>) -> io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
        lines.push(line.trim().to_owned());
    }
    let header = |name: &str| {
        let found = lines.iter().filter_map(|line| line.split_once(": "));
        found.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned()).next()
    };
    let length = header("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;

    let mut store = store.lock().unwrap();
    let path = lines[0].split(' ').nth(1).unwrap_or_default().to_owned();
    store.requests.push(path.clone());
    store.authorizations.push(header("authorization").unwrap_or_default());
    let (status, text) = match store.answers {
        Answers::Until(requests) if store.requests.len() > requests => return Ok(()),
        Answers::Never => {
            drop(store);
            thread::sleep(Duration::from_mins(1));
            return Ok(());
        }
        Answers::DeniesAfter(requests) if store.requests.len() > requests => (401, String::new()),
        Answers::Html(status) => (status, "<html></html>".to_owned()),
        Answers::BusyFor(requests) if requests > 0 => {
            store.answers = Answers::BusyFor(requests - 1);
            (503, "busy".to_owned())
        }
        _ => {
            let artifact = path.strip_prefix("/api/2.0/mlflow-artifacts/artifacts/1/");
            let answer = if let Some(artifact) = artifact {
                let (run, name) = artifact.split_once("/artifacts/").unwrap();
                store.run(&json!(run)).artifacts.insert(name.to_owned(), body.len());
                Ok(Value::Null)
            } else {
                let endpoint = path.strip_prefix("/api/2.0/mlflow/").unwrap_or_default();
                let endpoint = endpoint.split('?').next().unwrap_or_default();
                store.answer(endpoint, &serde_json::from_slice(&body).unwrap_or_default())
            };
            match answer {
                Ok(Value::Null) => (200, String::new()),
                Ok(json) => (200, json.to_string()),
                Err((status, code)) => (status, json!({ "error_code": code, "message": code }).to_string()),
            }
        }
    };
    let length = text.len();
    write!(stream, "HTTP/1.1 {status} Answer\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{text}")
}
