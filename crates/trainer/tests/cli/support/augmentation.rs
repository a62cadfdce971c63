//! Configuration files for the tests of augmentation.

/// A configuration file that sets every field of `[augmentation]`.
pub const EVERY_FIELD: &str = "[augmentation]
rotation_range = 15.0
width_shift_range = 0.1
height_shift_range = 2.0
shear_range = 10.0
zoom_range = [0.9, 1.2]
channel_shift_range = 20.0
brightness_range = [0.8, 1.2]
fill_mode = 'constant'
cval = 30.0
horizontal_flip = true
vertical_flip = true
";
