//! `devices`: lists the backends of this build and their devices on this machine.

use anyhow::Result;
use mnist_training::Backend;
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
    let entry = |backend: Backend| BackendEntry {
        name: backend.name(),
        compiled: backend.is_built(),
        devices: backend.devices(),
    };
    let list = DeviceList { backends: Backend::ALL.map(entry).into() };
    terminal.result(&list, || {
        let row = |backend: &BackendEntry| {
            let devices = match (backend.compiled, backend.devices.as_slice()) {
                (false, _) => format!("not in this build: add --features {}", backend.name),
                (true, []) => "no device found".to_owned(),
                (true, [device]) => device.clone(),
                (true, devices) => {
                    let number = |(number, device)| format!("{number}: {device}");
                    devices.iter().enumerate().map(number).collect::<Vec<_>>().join("\n")
                }
            };
            [backend.name.to_owned(), devices]
        };
        table(["backend", "devices"], list.backends.iter().map(row))
    })
}
