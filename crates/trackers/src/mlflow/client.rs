//! Requests to an MLflow server: <https://mlflow.org/docs/latest/api_reference/rest-api.html>.

use std::time::Duration;

use serde_json::Value;

use super::MlflowError;

/// Time limits of a request. A server may take a while to store a model.
const CONNECT: Duration = Duration::from_secs(10);
const TOTAL: Duration = Duration::from_mins(2);

/// Limit for the size of an answer, in bytes.
const MOST_ANSWER: u64 = 16 << 20;

/// How artifacts are addressed that the server stores itself.
const PROXIED: &str = "mlflow-artifacts:";

/// Who sends the requests, as MLflow's own client knows it from the environment.
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
    authorization: Option<String>,
}

impl Client {
    /// Prepares requests to the server at `uri`.
    ///
    /// # Errors
    /// When this is not the URL of a server, or contains a password.
    pub fn new(uri: &str, credentials: &Credentials) -> Result<Self, MlflowError> {
        let host = uri.strip_prefix("http://").or_else(|| uri.strip_prefix("https://")).unwrap_or_default();
        let authority = host.split('/').next().unwrap_or_default();
        if authority.is_empty() || uri.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(MlflowError::NotAUrl(uri.to_owned()));
        }
        if authority.contains('@') {
            return Err(MlflowError::PasswordInUrl);
        }
        let config = ureq::Agent::config_builder()
            .timeout_connect(Some(CONNECT))
            .timeout_global(Some(TOTAL))
            // The bodies of errors say what is wrong.
            .http_status_as_error(false)
            .build();
        Ok(Self {
            agent: config.into(),
            uri: uri.trim_end_matches('/').to_owned(),
            authorization: credentials.header(),
        })
    }

    /// Returns the address of the server.
    pub fn uri(&self) -> &str {
        &self.uri
    }

    /// Calls an endpoint that reads something.
    pub fn get(&self, endpoint: &str, query: [(&str, &str); 1]) -> Result<Value, MlflowError> {
        let mut request = self.agent.get(self.api(endpoint)).query_pairs(query);
        if let Some(authorization) = &self.authorization {
            request = request.header("Authorization", authorization);
        }
        self.answer(request.call())
    }

    /// Calls an endpoint that changes something.
    pub fn post(&self, endpoint: &str, body: &Value) -> Result<Value, MlflowError> {
        let mut request = self.agent.post(self.api(endpoint)).content_type("application/json");
        if let Some(authorization) = &self.authorization {
            request = request.header("Authorization", authorization);
        }
        self.answer(request.send(body.to_string()))
    }

    /// Stores a file of a run. Returns false if the server does not store the artifacts of this address itself.
    pub fn put_artifact(&self, artifact_uri: &str, name: &str, bytes: &[u8]) -> Result<bool, MlflowError> {
        let Some(path) = artifact_uri.strip_prefix(PROXIED) else { return Ok(false) };
        // `mlflow-artifacts:/path` or `mlflow-artifacts://host/path`.
        let path = match path.strip_prefix("//") {
            Some(with_host) => with_host.split_once('/').map_or("", |(_, path)| path),
            None => path.trim_start_matches('/'),
        };
        let url = format!("{}/api/2.0/mlflow-artifacts/artifacts/{path}/{name}", self.uri);
        let mut request = self.agent.put(url).content_type("application/octet-stream");
        if let Some(authorization) = &self.authorization {
            request = request.header("Authorization", authorization);
        }
        self.answer(request.send(bytes)).map(|_| true)
    }

    fn api(&self, endpoint: &str) -> String {
        format!("{}/api/2.0/mlflow/{endpoint}", self.uri)
    }

    /// Reads the JSON of an answer, or the error that it describes.
    fn answer(
        &self,
        answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
    ) -> Result<Value, MlflowError> {
        let mut response = answer.map_err(|error| self.unreachable(&error))?;
        let status = response.status().as_u16();
        let body = response.body_mut().with_config().limit(MOST_ANSWER).read_to_string();
        let body = body.map_err(|error| self.unreachable(&error))?;
        let json = serde_json::from_str::<Value>(&body).ok().filter(Value::is_object);
        match (status, json) {
            (200, Some(json)) => Ok(json),
            // So it answers when it has stored a file.
            (200, None) if body.is_empty() => Ok(Value::Null),
            (401 | 403, _) => Err(MlflowError::Denied { uri: self.uri.clone(), status }),
            (429 | 500.., json) => {
                let reason = json.as_ref().and_then(|json| json["message"].as_str()).map(str::to_owned);
                let reason = reason.unwrap_or_else(|| format!("HTTP status {status}"));
                Err(MlflowError::Unreachable { uri: self.uri.clone(), reason })
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
