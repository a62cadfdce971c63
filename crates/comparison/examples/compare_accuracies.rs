//! Compares accuracies from any program, without training: `cargo run --release --example compare_accuracies`

use mnist_comparison::{ArmAccuracies, ComparisonError, Design, Looks, Statistics};

fn main() -> Result<(), ComparisonError> {
    // Accuracies of Keras 3.15 with the seeds 1 to 3, measured on 10,000 test images.
    let arms = [
        ArmAccuracies::new("normalize", [(1, 0.9901), (2, 0.9888), (3, 0.9901)]),
        ArmAccuracies::new("center", [(1, 0.9843), (2, 0.9796), (3, 0.9853)]),
        ArmAccuracies::new("standardize", [(1, 0.9901), (2, 0.9854), (3, 0.9912)]),
    ];
    let statistics = Statistics::of(&arms, Design::new(10_000, Looks::Once))?;

    for arm in &statistics.arms {
        let (mean, std) = (arm.accuracy.mean.unwrap_or(f64::NAN), arm.accuracy.std.unwrap_or(f64::NAN));
        println!("rank {:?}: {} {:.2} ± {:.2}%", arm.ranks, arm.name, 100.0 * mean, 100.0 * std);
    }
    for pair in &statistics.pairs {
        println!("{} − {}: {:?}, p {:?}, Holm {:?}", pair.a, pair.b, pair.difference, pair.p, pair.p_holm);
    }
    println!("{}", statistics.headline());
    Ok(())
}
