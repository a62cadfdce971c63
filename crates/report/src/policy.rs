//! The content security policy of the pages.

use data_encoding::{BASE64, HEXLOWER};
use mnist_training::files::sha256;

/// Returns the policy of a page: it can load only what it contains, and pictures that the user chooses (`blob:`). It runs only
/// these scripts.
pub(crate) fn policy(scripts: &[&str]) -> String {
    let source = |script: &&str| {
        let sum = HEXLOWER.decode(sha256(script.as_bytes()).as_bytes()).unwrap_or_default();
        format!(" 'sha256-{}'", BASE64.encode(&sum))
    };
    let sources: String = scripts.iter().map(source).collect();
    format!("default-src 'none'; img-src data: blob:; style-src 'unsafe-inline'; script-src{sources}")
}
