//! Batches: their content, and what it must not depend on.

use std::{ops::Range, sync::Arc};

use burn::{
    data::{dataloader::batcher::Batcher, dataset::Dataset},
    tensor::{Device, Int, Tensor},
};
use mnist_data::{Augmentation, FittedScaling, ImageShape, Images, Scaling, ScalingBatcher};
use proptest::prelude::*;

use crate::{go_on, images, mnist};

fn fitted(name: &str, train: &Images) -> Arc<FittedScaling> {
    Arc::new(name.parse::<Scaling>().unwrap().fit(train, &mut *go_on()).unwrap())
}

#[test]
fn batch_contains_scaled_images_and_their_classes() {
    let shape = ImageShape { channels: 1, height: 1, width: 2 };
    let images = Images::new(shape, vec![0, 255, 51, 102, 9, 9], vec![4, 7, 1]);
    let fitted = fitted("normalize", &images);
    let items = images.get_many(vec![1, 0]).unwrap();
    let batch = ScalingBatcher::new(fitted).batch(items, &Device::flex());
    assert_eq!(batch.images.dims(), [2, 1, 1, 2]);
    assert_eq!(values(batch.images), [0.2, 0.4, 0.0, 1.0]);
    assert_eq!(classes(batch.targets), [7, 4]);
}

fn values(images: Tensor<4>) -> Vec<f32> {
    images.try_into_vec_as().unwrap()
}

fn classes(targets: Tensor<1, Int>) -> Vec<i64> {
    targets.try_into_vec_as().unwrap()
}

fn pixels(batcher: &ScalingBatcher, images: &Images, positions: Vec<usize>) -> Vec<f32> {
    values(batcher.batch(images.get_many(positions).unwrap(), &Device::flex()).images)
}

#[test]
fn augmented_image_depends_only_on_seed_epoch_and_position() {
    let train = mnist().train.first(20);
    let plain = ScalingBatcher::new(fitted("standardize", &train));
    let augmentation = Augmentation { rotation_range: 20.0, width_shift_range: 0.2, ..Default::default() };
    let augmented = plain.clone().augmented(&augmentation, 1, 1);

    let all = pixels(&augmented, &train, (0..20).collect());
    let one_by_one: Vec<f32> = (0..20).flat_map(|i| pixels(&augmented, &train, vec![i])).collect();
    assert_eq!(all, one_by_one);
    let backwards = pixels(&augmented, &train, (0..20).rev().collect());
    let reordered: Vec<f32> = backwards.chunks(784).rev().flatten().copied().collect();
    assert_eq!(all, reordered);
    assert_ne!(all, pixels(&plain, &train, (0..20).collect()));
    assert_ne!(all, pixels(&plain.clone().augmented(&augmentation, 2, 1), &train, (0..20).collect()));
    assert_ne!(all, pixels(&plain.clone().augmented(&augmentation, 1, 2), &train, (0..20).collect()));
    let nothing = plain.clone().augmented(&Augmentation::default(), 1, 1);
    assert_eq!(pixels(&nothing, &train, vec![3]), pixels(&plain, &train, vec![3]));
}

fn small_images(count: Range<usize>) -> impl Strategy<Value = Images> {
    prop::collection::vec(prop::array::uniform12(0_u8..), count)
        .prop_map(|pixels| images(3, 4, pixels.into_iter().flatten().collect()))
}

proptest! {
    #[test]
    fn pixels_do_not_depend_on_other_images_in_the_batch(images in small_images(2..9), at: prop::sample::Index) {
        let device = Device::flex();
        for name in mnist_data::scaling::preset_names() {
            let batcher = ScalingBatcher::new(fitted(name, &images));
            let batch = |range: Range<usize>| {
                values(batcher.batch(images.get_many(range.collect()).unwrap(), &device).images)
            };
            let middle = 1 + at.index(images.len() - 1);
            let parts = [batch(0..middle), batch(middle..images.len())].concat();
            prop_assert_eq!(parts, batch(0..images.len()));
        }
    }
}
