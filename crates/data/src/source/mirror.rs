//! Downloads MNIST from an HTTPS folder.

use std::{io::Read, time::Duration};

use super::{DataFile, Download, FILES, Progress};
use crate::DataError;

/// Limit for the time to connect to a mirror.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Limit for the time until a mirror responds.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(30);

/// Limit for the time to download one file.
const BODY_TIMEOUT: Duration = Duration::from_mins(15);

/// Limit for the size of a download. MNIST's largest file is 9.9 MB, compressed.
const LARGEST_FILE: u64 = 64 << 20;

/// Downloads the four gzipped files from the folder `mirror` and checks them.
pub(super) fn download(mirror: &str, progress: &mut Progress) -> Result<[Download; 4], DataError> {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_connect(Some(CONNECT_TIMEOUT))
        .timeout_recv_response(Some(RESPONSE_TIMEOUT))
        .timeout_recv_body(Some(BODY_TIMEOUT))
        .build()
        .into();
    let mut get = |file: &DataFile| {
        let file_name = format!("{}.gz", file.name);
        let url = format!("{mirror}/{file_name}");
        let bytes = get(&agent, &url, &file_name, progress)?;
        Download::check(file, &url, file_name, bytes)
    };
    let [train_images, train_labels, test_images, test_labels] = &FILES;
    Ok([get(train_images)?, get(train_labels)?, get(test_images)?, get(test_labels)?])
}

fn get(agent: &ureq::Agent, url: &str, name: &str, progress: &mut Progress) -> Result<Vec<u8>, DataError> {
    let failed = |reason: String| DataError::Download { url: url.to_owned(), reason };
    let mut response = agent.get(url).call().map_err(|error| failed(error.to_string()))?;
    let total = response.body().content_length();
    let mut body = response.body_mut().as_reader().take(LARGEST_FILE);
    let mut bytes = Vec::new();
    let mut chunk = vec![0; 64 << 10];
    loop {
        if progress(name, bytes.len() as u64, total).is_break() {
            return Err(DataError::Interrupted);
        }
        match body.read(&mut chunk).map_err(|error| failed(error.to_string()))? {
            0 => return Ok(bytes),
            read => bytes.extend_from_slice(&chunk[..read]),
        }
    }
}
