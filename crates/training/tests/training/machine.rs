//! The description of the machine in a run's result.

use mnist_training::run::Machine;

#[test]
fn machine_has_a_name_and_cores() {
    let machine = Machine::current();
    assert!(!machine.cpu.is_empty() && !machine.os.is_empty());
    assert!(machine.cores >= 1);
}
