//! Augmentation: random draws, descriptions in files, and single transforms.

mod transform;

use std::{collections::HashSet, thread};

use mnist_data::{Augmentation, FillMode, ImageShape, Transform};
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;

const SHAPE: ImageShape = ImageShape { channels: 1, height: 28, width: 28 };
const FILL_MODES: [FillMode; 4] = [FillMode::Nearest, FillMode::Constant, FillMode::Reflect, FillMode::Wrap];

/// Applies a transform to one grayscale image. [`FillMode::Constant`] fills with 0.
fn apply(transform: Transform, [height, width]: [usize; 2], pixels: &[u8], fill_mode: FillMode) -> Vec<f32> {
    let mut augmented = Vec::new();
    let shape = ImageShape { channels: 1, height, width };
    transform.apply(pixels, shape, fill_mode, 0.0, &mut augmented);
    augmented
}

/// Returns an augmentation with everything switched on and a different range for each number.
fn everything() -> Augmentation {
    Augmentation {
        rotation_range: 30.0,
        width_shift_range: 0.25,
        height_shift_range: 3.0,
        shear_range: 10.0,
        zoom_range: [0.8, 1.5],
        channel_shift_range: 40.0,
        brightness_range: Some([0.5, 2.0]),
        horizontal_flip: true,
        vertical_flip: true,
        ..Augmentation::default()
    }
}

/// A function that returns one number of a transform.
type Number = fn(&Transform) -> f64;

#[test]
fn drawn_numbers_are_uniform_over_their_ranges() {
    let shape = ImageShape { channels: 1, height: 40, width: 28 };
    let draws: Vec<_> = (0..10_000).map(|image| everything().draw(shape, 1, 1, image)).collect();
    let numbers: [(&str, [f64; 2], Number); 8] = [
        ("theta", [-30.0, 30.0], |drawn| drawn.theta),
        ("tx, in pixels", [-3.0, 3.0], |drawn| drawn.tx),
        ("ty, a quarter of the width", [-7.0, 7.0], |drawn| drawn.ty),
        ("shear", [-10.0, 10.0], |drawn| drawn.shear),
        ("zx", [0.8, 1.5], |drawn| drawn.zx),
        ("zy", [0.8, 1.5], |drawn| drawn.zy),
        ("channel shift", [-40.0, 40.0], |drawn| drawn.channel_shift_intensity),
        ("brightness", [0.5, 2.0], |drawn| drawn.brightness.unwrap()),
    ];
    for (name, [low, high], number) in numbers {
        let mut tenths = [0; 10];
        for drawn in draws.iter().map(number) {
            assert!((low..high).contains(&drawn), "{name}: {drawn}");
            tenths[((drawn - low) / (high - low) * 10.0) as usize] += 1;
        }
        // Five standard deviations of a binomial count: 5 × √(10,000 × 0.1 × 0.9).
        assert!(tenths.iter().all(|&count: &i32| (count - 1000).abs() <= 150), "{name}: {tenths:?}");
    }
    assert!(draws.iter().all(|drawn| (drawn.zx - drawn.zy).abs() > 0.0), "each axis has its own zoom");
}

#[test]
fn shift_range_is_a_fraction_if_below_1_and_pixels_otherwise() {
    for (range, pixels) in [(0.5, 14.0), (1.0, 1.0), (1.5, 1.5)] {
        let shift =
            Augmentation { width_shift_range: range, height_shift_range: range, ..Augmentation::default() };
        let draws = (0..1000).map(|image| shift.draw(SHAPE, 1, 1, image));
        let [rows, columns] = draws.fold([0.0_f64; 2], |[rows, columns], drawn| {
            [rows.max(drawn.tx.abs()), columns.max(drawn.ty.abs())]
        });
        for largest in [rows, columns] {
            assert!((0.98 * pixels..=pixels).contains(&largest), "{range}: {largest} pixels");
        }
    }
}

#[test]
fn each_flip_changes_half_of_the_images_and_none_when_switched_off() {
    let draws: Vec<_> = (0..10_000).map(|image| everything().draw(SHAPE, 1, 1, image)).collect();
    for flips in [[true, false], [false, true], [true, true], [false, false]] {
        let count =
            draws.iter().filter(|drawn| [drawn.flip_horizontal, drawn.flip_vertical] == flips).count();
        // Five standard deviations: 5 × √(10,000 × 0.25 × 0.75).
        assert!(count.abs_diff(2500) <= 217, "{flips:?}: {count}");
    }
    let plain = Augmentation { horizontal_flip: false, vertical_flip: false, ..everything() };
    for image in 0..1000 {
        let transform = plain.draw(SHAPE, 1, 1, image);
        assert_eq!([transform.flip_horizontal, transform.flip_vertical], [false; 2], "image {image}");
    }
}

#[test]
fn draw_depends_only_on_seed_epoch_and_image() {
    let ones = Augmentation {
        rotation_range: 1.0,
        width_shift_range: 1.0,
        height_shift_range: 1.0,
        shear_range: 1.0,
        channel_shift_range: 1.0,
        ..Augmentation::default()
    };
    let keys: Vec<[usize; 3]> = (0..1000).map(|key| [key / 100, key / 10 % 10, key % 10]).collect();
    let draw = |&[seed, epoch, image]: &[usize; 3]| ones.draw(SHAPE, seed as u64, epoch, image);
    let draws: Vec<Transform> = keys.iter().map(draw).collect();
    let backwards: Vec<Transform> = thread::scope(|scope| {
        let threads = keys.rchunks(100).map(|keys| scope.spawn(|| keys.iter().map(draw).collect::<Vec<_>>()));
        let threads: Vec<_> = threads.collect();
        threads.into_iter().rev().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(draws, backwards);
    let numbers = draws.iter().flat_map(|drawn| {
        [drawn.theta, drawn.tx, drawn.ty, drawn.shear, drawn.channel_shift_intensity].map(f64::to_bits)
    });
    assert_eq!(numbers.collect::<HashSet<_>>().len(), 5 * keys.len(), "no number is used twice");
}

#[test]
fn drawn_numbers_do_not_depend_on_other_augmentations() {
    let all = everything().draw(SHAPE, 1, 2, 3);
    let rotation = Augmentation { rotation_range: 30.0, ..Augmentation::default() };
    assert_eq!(rotation.draw(SHAPE, 1, 2, 3), Transform { theta: all.theta, ..Transform::default() });
    let brightness = Augmentation { brightness_range: Some([0.5, 2.0]), ..Augmentation::default() };
    let expected = Transform { brightness: all.brightness, ..Transform::default() };
    assert_eq!(brightness.draw(SHAPE, 1, 2, 3), expected);
}

/// Training shuffles an epoch's images with the same seed and the stream of the epoch's number.
#[test]
fn draws_and_shuffling_use_different_random_numbers() {
    let unit = Augmentation { rotation_range: 1.0, ..Augmentation::default() };
    for epoch in 0..5 {
        let mut generator = ChaCha8Rng::seed_from_u64(1);
        generator.set_stream(epoch);
        let shuffling: HashSet<u64> = (0..2000).map(|_| generator.random::<f64>().to_bits()).collect();
        for image in 0..100 {
            let drawn = f64::midpoint(unit.draw(SHAPE, 1, epoch as usize, image).theta, 1.0);
            assert!(!shuffling.contains(&drawn.to_bits()), "image {image} of epoch {epoch}");
        }
    }
}

#[test]
fn identity_draws_no_changes_and_each_augmentation_draws_some() {
    let nothing = Augmentation { fill_mode: FillMode::Constant, cval: 7.0, ..Augmentation::default() };
    assert!(nothing.is_identity(), "{nothing:?}");
    for image in 0..100 {
        assert_eq!(nothing.draw(SHAPE, 1, 1, image), Transform::default(), "image {image}");
    }
    let base = Augmentation::default;
    for something in [
        Augmentation { rotation_range: 1.0, ..base() },
        Augmentation { width_shift_range: 0.1, ..base() },
        Augmentation { height_shift_range: 0.1, ..base() },
        Augmentation { shear_range: 1.0, ..base() },
        Augmentation { zoom_range: [1.0, 1.1], ..base() },
        Augmentation { channel_shift_range: 1.0, ..base() },
        Augmentation { brightness_range: Some([0.5, 1.0]), ..base() },
        Augmentation { horizontal_flip: true, ..base() },
        Augmentation { vertical_flip: true, ..base() },
    ] {
        assert!(!something.is_identity(), "{something:?}");
        let drawn = (0..100).any(|image| something.draw(SHAPE, 1, 1, image) != Transform::default());
        assert!(drawn, "{something:?}");
    }
}

#[derive(Deserialize)]
struct Config {
    augmentation: Augmentation,
}

fn parse(fields: &str) -> Result<Augmentation, String> {
    let config = toml::from_str::<Config>(&format!("[augmentation]\n{fields}"));
    config.map(|config| config.augmentation).map_err(|error| error.to_string())
}

#[test]
fn augmentation_is_read_from_a_table_and_written_back() {
    assert_eq!(parse("").unwrap(), Augmentation::default());
    let described = parse(
        "rotation_range = 30\nwidth_shift_range = 0.25\nheight_shift_range = 3\nshear_range = 10
        zoom_range = [0.8, 1.5]\nchannel_shift_range = 40\nbrightness_range = [0.5, 2]
        horizontal_flip = true\nvertical_flip = true",
    );
    assert_eq!(described.unwrap(), everything());
    assert_eq!(parse("zoom_range = 0.25").unwrap(), parse("zoom_range = [0.75, 1.25]").unwrap());
    for (name, fill_mode) in ["nearest", "constant", "reflect", "wrap"].into_iter().zip(FILL_MODES) {
        let filled = parse(&format!("fill_mode = '{name}'\ncval = -1.5")).unwrap();
        assert_eq!((filled.fill_mode, filled.cval), (fill_mode, -1.5));
    }
    for augmentation in [everything(), Augmentation::default()] {
        let table = toml::to_string(&augmentation).unwrap();
        assert_eq!(parse(&table).unwrap(), augmentation, "{table}");
        let json = serde_json::to_string(&augmentation).unwrap();
        assert_eq!(serde_json::from_str::<Augmentation>(&json).unwrap(), augmentation, "{json}");
    }
}

#[test]
fn invalid_field_is_an_error_that_names_it() {
    for (wrong, reason) in [
        ("rotation = 3", "unknown field `rotation`"),
        ("rotation_range = -1", "rotation_range must be a number from 0 to 1000000"),
        ("rotation_range = inf", "rotation_range must be"),
        ("width_shift_range = nan", "width_shift_range must be"),
        ("height_shift_range = 1e7", "height_shift_range must be"),
        ("shear_range = -0.5", "shear_range must be"),
        ("channel_shift_range = -3", "channel_shift_range must be"),
        ("zoom_range = 1", "zoom_range must be a number from 0 to below 1, or [low, high] with 0 < low"),
        ("zoom_range = -0.1", "zoom_range must be"),
        ("zoom_range = nan", "zoom_range must be"),
        ("zoom_range = [1.2, 0.8]", "zoom_range must be"),
        ("zoom_range = [0, 1]", "zoom_range must be"),
        ("zoom_range = [1]", "zoom_range must be a number or [low, high]"),
        ("zoom_range = [1, 2, 3]", "zoom_range must be a number or [low, high]"),
        (
            "brightness_range = [1.2, 0.8]",
            "brightness_range must be [low, high] with 0 <= low <= high <= 1000000",
        ),
        ("brightness_range = [-0.1, 1]", "brightness_range must be"),
        ("brightness_range = [0, inf]", "brightness_range must be"),
        ("brightness_range = 0.5", "brightness_range must be [low, high]"),
        ("brightness_range = [1]", "brightness_range must be [low, high]"),
        ("brightness_range = [1, 2, 3]", "brightness_range must be [low, high]"),
        ("cval = nan", "cval must be a number from -1000000 to 1000000"),
        ("fill_mode = 'mirror'", "unknown variant `mirror`"),
    ] {
        let error = parse(wrong).unwrap_err();
        assert!(error.contains(reason), "{wrong}: {error}");
    }
}

proptest! {
    #[test]
    fn augmented_pixels_stay_in_the_range_of_bytes(
        ranges in prop::array::uniform7(prop_oneof![Just(0.0), 0.0..60.0, 0.0..1e6]),
        fill_mode in prop::sample::select(FILL_MODES.to_vec()),
        sides in prop::array::uniform2(1_usize..6),
        image: usize,
    ) {
        let [rotation_range, width_shift_range, height_shift_range, shear_range, rest @ ..] = ranges;
        let [channel_shift_range, zoom, brightness] = rest;
        let augmentation = Augmentation {
            rotation_range,
            width_shift_range,
            height_shift_range,
            shear_range,
            channel_shift_range,
            zoom_range: [1e-6, 1e-6 + zoom],
            brightness_range: Some([0.0, brightness]),
            fill_mode,
            ..everything()
        };
        prop_assume!(augmentation.check().is_ok());
        let [height, width] = sides;
        let shape = ImageShape { channels: 1, height, width };
        let pixels: Vec<u8> = (0..height * width).map(|index| (index * 37 % 256) as u8).collect();
        let augmented = apply(augmentation.draw(shape, 1, 1, image), sides, &pixels, fill_mode);
        prop_assert_eq!(augmented.len(), pixels.len());
        prop_assert!(augmented.iter().all(|pixel| (0.0..=255.0).contains(pixel)), "{:?}", augmented);
    }
}
