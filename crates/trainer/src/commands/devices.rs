//! `devices`: lists the backends of this build and their devices on this machine.

use anyhow::Result;
use mnist_training::backend::{Backend, describe};
use serde::Serialize;

use crate::{layout::table, terminal::Terminal};

#[derive(Serialize)]
struct DeviceList {
    backends: Vec<BackendEntry>,
}

#[derive(Serialize)]
struct BackendEntry {
    name: &'static str,
    compiled: bool,
    devices: Vec<String>,
}

pub fn run(terminal: &Terminal) -> Result<()> {
    let entry = |backend: Backend| {
        let devices = backend.devices();
        BackendEntry {
            name: backend.name(),
            compiled: devices.is_some(),
            devices: devices.iter().flatten().map(describe).collect(),
        }
    };
    let list = DeviceList { backends: Backend::ALL.map(entry).into() };
    terminal.result(&list, || {
        let row = |backend: &BackendEntry| {
            let devices = match (backend.compiled, backend.devices.as_slice()) {
                (false, _) => format!("not in this build: add --features {}", backend.name),
                (true, []) => "no device found".to_owned(),
                (true, devices) => devices.join(", "),
            };
            [backend.name.to_owned(), devices]
        };
        table(["backend", "devices"], list.backends.iter().map(row))
    })
}
