//! Event files: records of [`Event`]s, each with its length and checksums.
//!
//! The format is TFRecord: <https://www.tensorflow.org/tutorials/load_data/tfrecord#tfrecords_format_details>.

use std::io::Cursor;

use image::{ImageFormat, RgbImage};
use prost::Message;

use super::messages::{
    Content, Event, HParamsData, HParamsPluginData, Image, PluginData, SessionLog, SessionStatus, Summary,
    SummaryMetadata, SummaryValue, What,
};
use crate::{TrackerError, tracked_run::Metric};

/// The content of an event file, or the part of it that is appended next.
#[derive(Debug)]
pub struct Events {
    bytes: Vec<u8>,
    /// When the training began, in seconds since 1970.
    began: f64,
}

impl Events {
    /// Returns the beginning of a file, for a training that began at this time.
    pub fn begin(began: f64) -> Self {
        let mut events = Self::more(began);
        events.add(0, 0.0, What::FileVersion("brain.Event:2".into()));
        // A running TensorBoard then forgets the events of an earlier file in the folder.
        events.add(0, 0.0, What::SessionLog(SessionLog { status: SessionStatus::Start.into() }));
        events
    }

    /// Returns an empty part to append to a file.
    pub fn more(began: f64) -> Self {
        Self { bytes: Vec::new(), began }
    }

    /// Adds values of metrics.
    pub fn metrics(&mut self, metrics: &[Metric]) {
        for metric in metrics {
            let content = Content::SimpleValue(metric.value as f32);
            self.summary(metric.step, metric.seconds, metric.tag, None, Some(content));
        }
    }

    /// Adds an image at the last step of a training that took this many seconds.
    pub fn image(
        &mut self,
        step: u64,
        seconds: f64,
        tag: &str,
        image: &RgbImage,
    ) -> Result<(), TrackerError> {
        let mut png = Cursor::new(Vec::new());
        image.write_to(&mut png, ImageFormat::Png).map_err(TrackerError::encode("a picture"))?;
        let content = Content::Image(Image {
            height: image.height() as i32,
            width: image.width() as i32,
            colorspace: 3,
            encoded_image_string: png.into_inner(),
        });
        self.summary(step, seconds, tag, None, Some(content));
        Ok(())
    }

    /// Adds a message for TensorBoard's page of hyperparameters.
    pub fn hyperparameters(&mut self, seconds: f64, tag: &str, data: HParamsData) {
        let content = HParamsPluginData { version: 0, data: Some(data) }.encode_to_vec();
        let plugin_data = PluginData { plugin_name: "hparams".into(), content };
        let metadata = SummaryMetadata { plugin_data: Some(plugin_data) };
        self.summary(0, seconds, tag, Some(metadata), None);
    }

    pub fn summary(
        &mut self,
        step: u64,
        seconds: f64,
        tag: &str,
        metadata: Option<SummaryMetadata>,
        content: Option<Content>,
    ) {
        let value = SummaryValue { tag: tag.to_owned(), metadata, content };
        self.add(step, seconds, What::Summary(Summary { value: vec![value] }));
    }

    fn add(&mut self, step: u64, seconds: f64, what: What) {
        let event = Event { wall_time: self.began + seconds, step: step as i64, what: Some(what) };
        self.bytes.extend(record(&event.encode_to_vec()));
    }

    /// Returns the records.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// Returns a record: the length of the data and its checksum, the data and its checksum.
fn record(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    [&length[..], &masked_crc(&length), data, &masked_crc(data)].concat()
}

/// Returns the CRC-32C, masked because a checksum of data that contains checksums is weak.
fn masked_crc(data: &[u8]) -> [u8; 4] {
    const MASK: u32 = 0xa282_ead8;
    crc32c::crc32c(data).rotate_right(15).wrapping_add(MASK).to_le_bytes()
}
