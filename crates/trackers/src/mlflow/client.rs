//! Requests to an MLflow server: <https://mlflow.org/docs/latest/api_reference/rest-api.html>.

use std::{
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Duration,
};

use mnist_training::{Observer, TrainingError};
use serde_json::Value;
use ureq::{
    SendBody,
    http::{HeaderValue, Request},
    middleware::MiddlewareNext,
};

use super::MlflowError;
use crate::TrackerError;

/// Time limit for connecting to the server.
const CONNECT: Duration = Duration::from_secs(10);

/// Time limit for an answer, and for a part of a file. A server may take a while to store a model.
const ANSWER: Duration = Duration::from_mins(2);

/// How often a request asks the observer whether to stop.
const POLL: Duration = Duration::from_millis(50);

/// Limit for the size of an answer, in bytes.
const MOST_ANSWER: u64 = 16 << 20;

/// How artifacts are addressed that the server stores itself.
const PROXIED: &str = "mlflow-artifacts:";

/// The user's credentials, as in the environment variables of MLflow's own client.
#[derive(Clone, Default)]
pub struct Credentials {
    /// A token, unless there are a name and a password.
    pub token: Option<String>,
    /// The name of a user and the password.
    pub user: Option<(String, String)>,
}

impl Credentials {
    fn header(&self) -> Option<String> {
        match (&self.user, &self.token) {
            (Some((name, password)), _) => {
                let pair = format!("{name}:{password}");
                Some(format!("Basic {}", data_encoding::BASE64.encode(pair.as_bytes())))
            }
            (None, Some(token)) => Some(format!("Bearer {token}")),
            (None, None) => None,
        }
    }
}

/// An MLflow server.
pub struct Client {
    agent: ureq::Agent,
    /// The address without a slash at its end.
    uri: String,
}

/// The answer to a request: its HTTP status and its body.
type Answer = Result<(u16, String), ureq::Error>;

impl Client {
    /// Prepares requests to the server at `uri`.
    ///
    /// # Errors
    /// When this is not the URL of a server, or contains a password.
    pub fn new(uri: &str, credentials: &Credentials) -> Result<Self, MlflowError> {
        // First, since other errors show the URL.
        if uri.contains('@') {
            return Err(MlflowError::PasswordInUrl);
        }
        let host = uri.strip_prefix("http://").or_else(|| uri.strip_prefix("https://")).unwrap_or_default();
        let authority = host.split('/').next().unwrap_or_default();
        if authority.is_empty() || uri.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(MlflowError::NotAUrl(uri.to_owned()));
        }
        let authorization = credentials.header();
        let authorize = move |mut request: Request<SendBody>, next: MiddlewareNext| {
            if let Some(authorization) = &authorization {
                let value = HeaderValue::from_str(authorization).map_err(ureq::http::Error::from)?;
                request.headers_mut().insert("Authorization", value);
            }
            next.handle(request)
        };
        let config = ureq::Agent::config_builder()
            .timeout_connect(Some(CONNECT))
            .timeout_recv_response(Some(ANSWER))
            .timeout_per_read(Some(ANSWER))
            .timeout_per_write(Some(ANSWER))
            .middleware(authorize)
            // The bodies of errors say what is wrong.
            .http_status_as_error(false)
            .build();
        Ok(Self { agent: config.into(), uri: uri.trim_end_matches('/').to_owned() })
    }

    /// Returns the address of the server.
    pub fn uri(&self) -> &str {
        &self.uri
    }

    /// Returns the requests to the server, which end when the observer asks to stop.
    pub fn requests<'a>(&'a self, observer: &'a dyn Observer) -> Requests<'a> {
        Requests { client: self, observer }
    }

    fn api(&self, endpoint: &str) -> String {
        format!("{}/api/2.0/mlflow/{endpoint}", self.uri)
    }

    /// Reads the JSON of an answer, or the error that it describes.
    fn answer(&self, answer: Answer) -> Result<Value, MlflowError> {
        let (status, body) = answer.map_err(|error| self.unreachable(&error))?;
        let json = serde_json::from_str::<Value>(&body).ok().filter(Value::is_object);
        match (status, json) {
            (200, Some(json)) => Ok(json),
            // MLflow answers with an empty body after it stored a file.
            (200, None) if body.is_empty() => Ok(Value::Null),
            (401 | 403, _) => Err(MlflowError::Denied { uri: self.uri.clone(), status }),
            (429 | 500.., json) => {
                let reason = json.as_ref().and_then(|json| json["message"].as_str()).map(str::to_owned);
                let reason = reason.unwrap_or_else(|| format!("HTTP status {status}"));
                Err(MlflowError::Failed { uri: self.uri.clone(), reason })
            }
            (_, Some(json)) if json["error_code"].is_string() => Err(MlflowError::Refused {
                code: json["error_code"].as_str().unwrap_or_default().to_owned(),
                message: json["message"].as_str().unwrap_or_default().to_owned(),
            }),
            (200, None) => Err(self.not_mlflow("it does not answer in JSON")),
            _ => Err(self.not_mlflow(&format!("it answers with HTTP status {status}"))),
        }
    }

    fn unreachable(&self, error: &ureq::Error) -> MlflowError {
        let reason = match error {
            ureq::Error::Io(cause) => cause.to_string(),
            other => other.to_string(),
        };
        MlflowError::Unreachable { uri: self.uri.clone(), reason }
    }

    fn not_mlflow(&self, reason: &str) -> MlflowError {
        MlflowError::NotMlflow { uri: self.uri.clone(), reason: reason.to_owned() }
    }
}

/// Sends requests to a server.
#[derive(Clone, Copy)]
pub struct Requests<'a> {
    client: &'a Client,
    observer: &'a dyn Observer,
}

impl Requests<'_> {
    /// Calls an endpoint that reads something.
    pub fn get(&self, endpoint: &str, query: [(&str, &str); 1]) -> Result<Value, TrackerError> {
        let request = self.client.agent.get(self.client.api(endpoint)).query_pairs(query);
        self.wait(move || request.call())
    }

    /// Calls an endpoint that changes something.
    pub fn post(&self, endpoint: &str, body: &Value) -> Result<Value, TrackerError> {
        let request = self.client.agent.post(self.client.api(endpoint)).content_type("application/json");
        let body = body.to_string();
        self.wait(move || request.send(body))
    }

    /// Stores a file of a run. Returns false if the server does not store the artifacts of this address itself.
    pub fn put_artifact(&self, artifact_uri: &str, name: &str, bytes: &[u8]) -> Result<bool, TrackerError> {
        let Some(path) = artifact_uri.strip_prefix(PROXIED) else { return Ok(false) };
        // `mlflow-artifacts:/path` or `mlflow-artifacts://host/path`.
        let path = match path.strip_prefix("//") {
            Some(with_host) => with_host.split_once('/').map_or("", |(_, path)| path),
            None => path.trim_start_matches('/'),
        };
        let url = format!("{}/api/2.0/mlflow-artifacts/artifacts/{path}/{name}", self.client.uri);
        let request = self.client.agent.put(url).content_type("application/octet-stream");
        let bytes = bytes.to_vec();
        self.wait(move || request.send(bytes)).map(|_| true)
    }

    /// Sends a request on a thread of its own, and waits for its answer until the observer asks to stop.
    fn wait(
        &self,
        send: impl FnOnce() -> Result<ureq::http::Response<ureq::Body>, ureq::Error> + Send + 'static,
    ) -> Result<Value, TrackerError> {
        let (sender, answers) = mpsc::channel();
        let answer = move || -> Answer {
            let mut response = send()?;
            let body = response.body_mut().with_config().limit(MOST_ANSWER).read_to_string()?;
            Ok((response.status().as_u16(), body))
        };
        // Nobody needs the answer if the receiver is gone.
        let run = move || drop(sender.send(answer()));
        let thread = thread::Builder::new().name("mlflow".into()).spawn(run);
        thread.map_err(|error| self.client.unreachable(&error.into()))?;
        loop {
            match answers.recv_timeout(POLL) {
                Ok(answer) => return Ok(self.client.answer(answer)?),
                Err(RecvTimeoutError::Timeout) if self.observer.wants_stop() => {
                    return Err(TrainingError::Interrupted.into());
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(self.client.not_mlflow("its answer cannot be read").into());
                }
            }
        }
    }
}
